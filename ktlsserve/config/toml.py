"""Print the default configuration as TOML, every key with its reason, from the dataclasses in ``config``.

``python -m ktlsserve.config.toml > config/default.toml`` makes the file; a test says that it is what this prints.
"""

from __future__ import annotations

from dataclasses import MISSING, Field
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from ktlsserve.address import Address
from ktlsserve.config import Config
from ktlsserve.config.checks import Choice, Entries, ListOf, Seconds, WholeNumber
from ktlsserve.config.table import Table, check_of, example_of, reason_of, settings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

WIDTH = 100

HEADER = """\
Every key with its default and the reason for it. A configuration file needs only what differs: see example.toml. \
Unknown keys are errors. Names end in their unit: _s is seconds, _bytes is bytes. Paths are relative to this file's \
folder. Options of the command line go before what stands here. `ktlsserve check FILE` tells all that is wrong with a \
file, and SIGHUP makes a running server read it again.
"""


def default_toml() -> str:
    """Return the text of ``config/default.toml``."""
    parts = [_comment(HEADER)]
    for name, field in settings(Config).items():
        check = check_of(field)
        if isinstance(check, Table):
            parts.append(_table(name, check.shape))
        elif isinstance(check, ListOf) and isinstance(check.item, Table):
            parts.append(_empty_array(name, field, check.item.shape))
    return "\n".join(parts)


def toml_value(value: object) -> str:
    """Return a setting as TOML spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(toml_value(entry) for entry in value)}]"
    if isinstance(value, str | Path | Address):
        escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    raise TypeError(f"no setting is a {type(value).__name__}")


def _table(path: str, shape: type[DataclassInstance]) -> str:
    """Print a table: its own keys first, then the tables below it, as TOML wants it."""
    lines = [f"# {shape.__doc__}\n[{path}]\n"]
    below = []
    for name, field in settings(shape).items():
        check = check_of(field)
        if isinstance(check, ListOf) and isinstance(check.item, Table):
            below.append(_empty_array(f"{path}.{name}", field, check.item.shape))
        elif isinstance(check, Entries):
            below.append(f"{_comment(reason_of(field))}[{path}.{name}]\n# {check.example}\n")
        else:
            lines.append(f"{_comment(reason_of(field) + bounds_of(field))}{name} = {toml_value(_default(field))}\n")
    return "\n".join(lines + below)


def _empty_array(path: str, field: Field[Any], shape: type[DataclassInstance]) -> str:
    """Print an array of tables that is empty by default: an entry in comments.

    An array within it is only mentioned: its keys have been explained where it stands at the top.
    """
    keys = ""
    for name, inner in settings(shape).items():
        check = check_of(inner)
        if isinstance(check, ListOf) and isinstance(check.item, Table):
            keys += f"{_comment(reason_of(inner))}# [[{path}.{name}]]\n"
        else:
            keys += f"{_comment(reason_of(inner) + bounds_of(inner))}# {name} = {example_of(inner)}\n"
    return f"{_comment(reason_of(field))}# [[{path}]]\n{keys}"


def _default(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def bounds_of(field: Field[Any]) -> str:
    """Say what else the value may be, where the reason doesn't."""
    check = check_of(field)
    if isinstance(check, WholeNumber | Seconds | Choice):
        return f" May be {check.expected}."
    if isinstance(check, ListOf) and isinstance(check.item, Choice):
        return f" Each may be {check.item.expected}."
    return ""


def _comment(text: str) -> str:
    """Wrap a text into comment lines."""
    paragraphs = text.splitlines()
    return "".join(f"# {line}\n" for paragraph in paragraphs for line in wrap(paragraph, WIDTH - 2))


if __name__ == "__main__":
    print(default_toml(), end="")
