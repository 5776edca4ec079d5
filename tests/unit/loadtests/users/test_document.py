from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.errors import ConfigError
from loadtests.users.document import load_document, parse_document
from loadtests.users.scenario import Scenario


def test_all_problems_at_once_with_their_lines() -> None:
    text = """\
seeed = 3

[[request]]
name = "page"
paths = "pages/*"

[[request]]
paths = "/x"
weight = 0

[users]
think = 1
cold_share = 2
"""
    with pytest.raises(ConfigError) as caught:
        parse_document(Scenario, text, source="a.toml")
    assert [key for key, _ in caught.value.problems] == [
        "seeed",
        "request[0].paths",
        "request[1].name",
        "request[1].weight",
        "users.think",
        "users.cold_share",
    ]
    told = str(caught.value)
    assert "a.toml: seeed: unknown key; did you mean seed? (line 1)" in told
    assert "a.toml: users.think: unknown key; did you mean think_s? (line 12)" in told
    assert "a.toml: request[0].paths: a pattern must start with a slash (line 5)" in told
    assert "a.toml: request[1].name: is missing" in told


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a = ", "syntax: Invalid value"), (b"\xff", "must be UTF-8 text, and isn't at byte 0")],
)
def test_what_is_no_toml(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_document(Scenario, file)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        load_document(Scenario, tmp_path / "a.toml")
