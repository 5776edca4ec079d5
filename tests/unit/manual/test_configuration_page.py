from __future__ import annotations

import re
from dataclasses import Field
from typing import TYPE_CHECKING, Any

import pytest

from ktlsserve.arguments import serve_parser
from ktlsserve.config import Config
from ktlsserve.config.checks import ListOf
from ktlsserve.config.table import Table, check_of, settings
from manual.configuration_page import configuration_page, options_by_key
from tests.support.documents import headings, section

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PAGE = configuration_page()


def shape_of(field: Field[Any]) -> type[DataclassInstance] | None:
    """Return the dataclass of a table, or of the tables of an array."""
    check = check_of(field)
    item = check.item if isinstance(check, ListOf) else check
    return item.shape if isinstance(item, Table) else None


def key_paths() -> list[str]:
    """Return all keys with their tables; those of an array that stands elsewhere too are told there."""
    found = []
    for table, field in settings(Config).items():
        shape = shape_of(field)
        assert shape is not None
        for key, inner in settings(shape).items():
            found.append(f"{table}.{key}")
            below = shape_of(inner)
            if below is not None and isinstance(check_of(field), Table):
                found += [f"{table}.{key}.{name}" for name in settings(below)]
    return found


def test_every_key_has_its_heading_once() -> None:
    assert sorted(headings(PAGE)) == sorted(["Configuration reference", *settings(Config), *key_paths()])


@pytest.mark.parametrize(
    ("key", "begin"),
    [
        ("server.listen", 'Default: `["127.0.0.1:8443"]`.'),
        ("server.drain_s", "Default: `30`."),
        ("http.mime", "Such as `"),
        ("site.names", "Required. Such as `"),
        ("rule.path", "Required. Such as `"),
    ],
)
def test_a_key_begins_with_its_default(key: str, begin: str) -> None:
    assert section(key, PAGE).strip().startswith(begin)


def test_what_a_value_may_be_is_told() -> None:
    text = " ".join(section("tls.mode", PAGE).split())
    assert 'May be "auto", "kernel", "userspace" or "off". Also said by `--tls MODE`' in text


def test_every_option_of_serve_that_sets_something_is_with_its_setting() -> None:
    told = {option.split()[0] for options in options_by_key().values() for option in options if option[0] == "-"}
    known = {action.option_strings[0] for action in serve_parser()._actions if action.option_strings}
    # Which file is read, and what ends at once, is no setting.
    assert known - told == {"--config", "-h", "--version"}
    assert all(key in key_paths() for key in options_by_key())


def test_stars_are_not_taken_for_markup() -> None:
    for line in re.sub(r"`[^`]*`", "", PAGE).splitlines():
        assert re.sub(r"\\\*|^\*\*Tables:\*\*", "", line).count("*") == 0, line
