"""Read a configuration file, lay the command line and the environment over it, and check the whole."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ktlsserve.config import Config, Origin
from ktlsserve.config.checks import Problem
from ktlsserve.config.table import Table
from ktlsserve.errors import ConfigError

NO_OVERRIDES: Mapping[str, object] = {}
NOBODY: Mapping[str, str] = {}
NO_ORIGIN = Origin()

ROOT_MISSING = (
    "server.root",
    "is missing: name the folder to serve, here, in each site, or as ROOT on the command line",
)

ARRAY_HEADER = re.compile(r"\s*\[\[\s*([^]]+?)\s*\]\]")
TABLE_HEADER = re.compile(r"\s*\[\s*([^]]+?)\s*\]\s*(?:#|$)")
KEY = re.compile(r"""\s*([\w.-]+|"[^"]*"|'[^']*')\s*=""")
LAST_STEP = re.compile(r"(\[\d+\]|\.?[^.\[]*)$")


def load_config(
    file: Path | None,
    overrides: Mapping[str, object] = NO_OVERRIDES,
    told_by: Mapping[str, str] = NOBODY,
    *,
    root_needed: bool = True,
) -> Config:
    """Return the configuration in ``file`` (the defaults where it is None) with ``overrides`` laid over it.

    ``overrides`` maps key paths (``tls.mode``) to values as TOML would give them, with absolute paths, and ``told_by``
    the same to what said so. All paths in the result are absolute. Raises ConfigError with every problem found; that
    nobody names ``server.root`` is one, unless ``root_needed`` is false: it is then left at ``Path()``.
    """
    location = Path.cwd() / "command line" if file is None else file.absolute()
    origin = Origin(None if file is None else location, dict(overrides), dict(told_by))
    text = "" if file is None else _read(file)
    config = parse_config(
        text,
        folder=location.parent,
        source=None if file is None else str(file),
        origin=origin,
        root_needed=root_needed,
    )
    return replace(config, origin=origin)


def reload_config(config: Config) -> Config:
    """Read a configuration again from where it came; raise as ``load_config`` does."""
    return load_config(config.origin.file, config.origin.overrides, config.origin.told_by)


def parse_config(
    text: str,
    *,
    folder: Path = Path(),
    source: str | None = None,
    origin: Origin = NO_ORIGIN,
    root_needed: bool = False,
) -> Config:
    """Return the configuration in TOML ``text``, with its paths relative to ``folder``.

    What ``origin`` overrides goes before it. Raises ConfigError with every problem found, naming ``source``.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([("syntax", str(error))], source) from None
    except RecursionError:
        raise ConfigError([("syntax", "nested too deeply")], source) from None
    _lay_over(data, origin.overrides)
    problems = [ROOT_MISSING] if root_needed and not _names_root(data) else []
    try:
        config = Table(Config).accept(data, folder)
        if not problems:
            return config
    except ConfigError as error:
        problems += [(key.removeprefix("."), message) for key, message in error.problems]
    raise ConfigError(with_lines(problems, text, origin.told_by), source)


def with_lines(problems: Iterable[Problem], text: str, told_by: Mapping[str, str] = NOBODY) -> list[Problem]:
    """Return ``problems`` with the line of TOML ``text`` that each belongs to, where that can be told.

    ``told_by`` names, by key path, what said a value in the place of the text.
    """
    lines = {key: f"line {line}" for key, line in key_lines(text).items()}
    return [(key, message + (_hint(key, told_by) or _hint(key, lines))) for key, message in problems]


def key_lines(text: str) -> dict[str, int]:
    """Return the line of each table and key in TOML ``text`` by key path, counted from 1.

    It looks at the beginnings of lines only: good enough for the hint beside a message, no parser. Keys inside inline
    tables and multi-line strings are missed or mistaken.
    """
    lines: dict[str, int] = {}
    entries: Counter[str] = Counter()
    prefix = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if array := ARRAY_HEADER.match(line):
            name = array[1]
            prefix = f"{name}[{entries[name]}]."
            entries[name] += 1
        elif table := TABLE_HEADER.match(line):
            prefix = f"{table[1]}."
        elif key := KEY.match(line):
            lines.setdefault(prefix + key[1].strip("\"'"), number)
            continue
        else:
            continue
        lines.setdefault(prefix.removesuffix("."), number)
    return lines


def _hint(key: str, places: Mapping[str, str]) -> str:
    """Return where ``key`` is, or what holds it: `` (line 7)``; nothing where that isn't known."""
    while key:
        if key in places:
            return f" ({places[key]})"
        key = LAST_STEP.sub("", key)
    return ""


def _lay_over(data: dict[str, Any], overrides: Mapping[str, object]) -> None:
    """Put the values into their tables; a table that is none is left for the check to find."""
    for path, value in overrides.items():
        table_name, _, key = path.partition(".")
        table = data.setdefault(table_name, {})
        if isinstance(table, dict):
            table[key] = value


def _names_root(data: Mapping[str, Any]) -> bool:
    server, sites = data.get("server"), data.get("site")
    if isinstance(server, dict) and "root" in server:
        return True
    return isinstance(sites, list) and bool(sites) and all(isinstance(site, dict) and "root" in site for site in sites)


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise ConfigError([("file", f"can't be read: {error.strerror}")], str(file)) from None
    except UnicodeDecodeError as error:
        raise ConfigError([("file", f"must be UTF-8 text, and isn't at byte {error.start}")], str(file)) from None
