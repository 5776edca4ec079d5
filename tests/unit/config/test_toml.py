from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ktlsserve.config import Config
from ktlsserve.config.checks import ListOf
from ktlsserve.config.file import load_config, parse_config
from ktlsserve.config.table import Table, check_of, reason_of, settings
from ktlsserve.config.toml import default_toml, toml_value

CONFIG = Path(__file__).parents[3] / "config"
IN_COMMENTS = re.compile(r"^# (?=\[\[[a-z.]+\]\]$|[a-zA-Z_0-9]+ = )", re.MULTILINE)


def test_the_shipped_file_is_what_the_dataclasses_say() -> None:
    shipped = (CONFIG / "default.toml").read_text()
    assert shipped == default_toml(), "run: python -m ktlsserve.config.toml > config/default.toml"


def test_the_shipped_file_equals_the_defaults() -> None:
    assert parse_config(default_toml()) == Config()


def test_the_shipped_file_names_every_key() -> None:
    # What is empty by default stands in comments.
    data = tomllib.loads(IN_COMMENTS.sub("", default_toml()))
    assert list(data) == list(settings(Config))
    for name, field in settings(Config).items():
        check = check_of(field)
        if isinstance(check, ListOf):
            assert isinstance(check.item, Table)
            assert set(data[name][0]) == set(settings(check.item.shape))
            continue
        assert isinstance(check, Table)
        assert set(data[name]) == set(settings(check.shape))
        for inner_name, inner_field in settings(check.shape).items():
            inner = check_of(inner_field)
            if isinstance(inner, ListOf) and isinstance(inner.item, Table):
                assert set(data[name][inner_name][0]) == set(settings(inner.item.shape))


def test_what_stands_in_comments_is_accepted() -> None:
    contradictions = re.compile(r"^(?:deny|rewrite|fallback|auth) = .*\n|^\[\[site\.rule\]\]\n", re.MULTILINE)
    config = parse_config(contradictions.sub("", IN_COMMENTS.sub("", default_toml())))
    assert config.rule[0].cache_control == "immutable"
    assert config.site[0].names == ("www.example.org", "*.www.example.org")


def test_every_key_has_a_reason_of_full_sentences() -> None:
    for field in settings(Config).values():
        check = check_of(field)
        table = check.item if isinstance(check, ListOf) else check
        assert isinstance(table, Table)
        for name, inner in settings(table.shape).items():
            assert re.search(r"\S \S.*\.$", reason_of(inner)), name


def test_lines_are_not_longer_than_a_page() -> None:
    assert max(len(line) for line in default_toml().splitlines()) <= 100


def test_the_example_is_valid_and_differs_from_the_defaults() -> None:
    config = load_config(CONFIG / "example.toml")
    assert config.server.root == CONFIG / "www"
    assert len(config.tls.certificates) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (3.0, "3"),
        (0.5, "0.5"),
        ('a"b\\', '"a\\"b\\\\"'),
        (Path("/srv"), '"/srv"'),
        (("a", "b"), '["a", "b"]'),
        ((), "[]"),
    ],
)
def test_values_are_spelt_as_in_toml(value: object, text: str) -> None:
    assert toml_value(value) == text
    assert tomllib.loads(f"x = {text}")


def test_what_toml_has_no_word_for_is_a_bug() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        toml_value(None)
