"""``docs/configuration.md``: every setting, from the dataclasses of the configuration."""

from __future__ import annotations

import re
from dataclasses import MISSING, Field
from typing import TYPE_CHECKING, Any

from ktlsserve.arguments import serve_parser
from ktlsserve.config import Config
from ktlsserve.config.checks import Entries, ListOf
from ktlsserve.config.table import Table, check_of, example_of, is_required, reason_of, settings
from ktlsserve.config.toml import bounds_of, toml_value
from manual.asking import setting_of, variable_of
from manual.commands import invocation
from manual.flowing import flowing

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_HEAD = """\
# Configuration reference

Written by `python -m manual` from the program's own settings; a test compares the two. The same in the form of a
configuration file is [config/default.toml](../config/default.toml); [config/example.toml](../config/example.toml) is a
file for several sites, and [rules and sites](rules-and-sites.md) goes through it.

A file needs only what differs from the defaults. Unknown keys are errors, and `ktlsserve check FILE` tells all errors
at once, each with its key and line. Paths are relative to the file's folder. Names end in their unit: `_s` is seconds,
`_bytes` is bytes. [Options of the command line](cli.md#ktlsserve-serve) go before the file. SIGHUP makes a running
server read the file again.
"""


def configuration_page() -> str:
    """Return the page."""
    options = options_by_key()
    tables = [_table(name, field, options) for name, field in settings(Config).items()]
    names = [f"[`{name}`](#{name})" for name in settings(Config)]
    return "\n".join([_HEAD, flowing("**Tables:** " + " · ".join(names)) + "\n", *tables])


def options_by_key() -> dict[str, list[str]]:
    """Return, by key path, what goes before the setting: options of ``serve``, and variables of the environment."""
    found: dict[str, list[str]] = {}
    for action in serve_parser()._actions:  # noqa: SLF001 - argparse lists them nowhere else
        if key := setting_of(action):
            found.setdefault(key, []).extend(filter(None, [invocation(action), variable_of(action)]))
    return found


def _table(name: str, field: Field[Any], options: dict[str, list[str]]) -> str:
    check = check_of(field)
    if isinstance(check, Table):
        return _section(name, name, check.shape, options)
    if isinstance(check, ListOf) and isinstance(check.item, Table):
        return _array(name, name, field, check.item.shape)
    raise TypeError(f"neither a table nor an array of tables: {name}")


def _section(title: str, path: str, shape: type[DataclassInstance], options: dict[str, list[str]]) -> str:
    parts = [f"## {title}\n", f"{flowing(shape.__doc__ or '')}\n"]
    for name, field in settings(shape).items():
        check = check_of(field)
        key = f"{path}.{name}"
        if isinstance(check, ListOf) and isinstance(check.item, Table):
            parts.append(_array(key, key, field, check.item.shape, below=options.get(key, ())))
        else:
            parts.append(_key(key, field, _default(field), options.get(key, ())))
    return "\n".join(parts)


def _array(
    title: str, path: str, field: Field[Any], shape: type[DataclassInstance], *, below: tuple[str, ...] | list[str] = ()
) -> str:
    """Describe an array of tables: what it is for, and the keys of an entry."""
    level = "##" if "." not in path else "###"
    told = f"Each entry begins with `[[{path}]]`. {_text(reason_of(field))}{_said(below)}"
    parts = [f"{level} {title}\n", f"{flowing(told)}\n"]
    for name, inner in settings(shape).items():
        check = check_of(inner)
        if isinstance(check, ListOf) and isinstance(check.item, Table):
            top = check.item.shape.__name__.lower()
            told = f"{_text(reason_of(inner))} The keys of an entry: [{top}](#{top})."
            parts.append(f"{level}# {path}.{name}\n\n{flowing(told)}\n")
        else:
            parts.append(_key(f"{path}.{name}", inner, None, (), level=f"{level}#"))
    return "\n".join(parts)


def _key(
    key: str, field: Field[Any], default: str | None, options: tuple[str, ...] | list[str], *, level: str = "###"
) -> str:
    if isinstance(check := check_of(field), Entries):
        facts = [f"Such as `{check.example}`."]
    elif default is not None:
        facts = [f"Default: `{default}`."]
    else:
        facts = ["Required."] if is_required(field) else []
        facts += [f"Such as `{example_of(field)}`."] if example_of(field) else []
    told = f"{' '.join(facts)} {_text(reason_of(field) + bounds_of(field))}{_said(options)}"
    return f"{level} {key}\n\n{flowing(told)}\n"


def _said(options: tuple[str, ...] | list[str]) -> str:
    return f" Also said by {' and '.join(f'`{option}`' for option in options)}." if options else ""


def _default(field: Field[Any]) -> str | None:
    value = field.default if field.default_factory is MISSING else field.default_factory()
    return None if value is MISSING or isinstance(value, dict) else toml_value(value)


def _text(text: str) -> str:
    """Return a reason as Markdown: what stands in it for itself isn't taken for markup."""
    return re.sub(r"([*<])", r"\\\1", text)
