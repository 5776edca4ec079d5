"""Read a TOML file as a dataclass, in the way of ktlsserve's configuration: all that is wrong is told at once."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ktlsserve.config.file import with_lines
from ktlsserve.config.table import Table
from ktlsserve.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

D = TypeVar("D", bound="DataclassInstance")


def load_document(shape: type[D], file: Path) -> D:
    """Return what ``file`` says; raises ConfigError with every problem, its key and its line."""
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        raise ConfigError([("file", f"can't be read: {error.strerror}")], str(file)) from None
    except UnicodeDecodeError as error:
        raise ConfigError([("file", f"must be UTF-8 text, and isn't at byte {error.start}")], str(file)) from None
    return parse_document(shape, text, source=str(file))


def parse_document(shape: type[D], text: str, *, source: str | None = None) -> D:
    """Return what a TOML document says; raises ConfigError as ``load_document`` does."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([("syntax", str(error))], source) from None
    try:
        return Table(shape).accept(tables, Path())
    except ConfigError as error:
        problems = [(key.removeprefix("."), message) for key, message in error.problems]
        raise ConfigError(with_lines(problems, text), source) from None
