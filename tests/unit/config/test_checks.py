from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from ktlsserve.address import Address
from ktlsserve.config.checks import (
    Check,
    Choice,
    Entries,
    FileOrOff,
    FilePath,
    ListenAddress,
    ListOf,
    LogTarget,
    Matching,
    NetworkRange,
    Seconds,
    WholeNumber,
    WorkerCount,
    key_step,
    shown,
)
from ktlsserve.errors import ConfigError

FOLDER = Path("/etc/site")
WORD = Matching("[a-z]+", "a word")
PLACES = Entries(WORD, WORD, example="")


@pytest.mark.parametrize(
    ("check", "value", "accepted"),
    [
        (WholeNumber(1, 3), 1, 1),
        (WholeNumber(1, 3), 3, 3),
        (Seconds(60), 60, 60.0),
        (Seconds(60), 0.001, 0.001),
        (Choice(("a", "b")), "b", "b"),
        (WORD, "abc", "abc"),
        (FilePath(), "a/b", FOLDER / "a/b"),
        (FilePath(), "/a", Path("/a")),
        (FileOrOff(), "off", "off"),
        (FileOrOff(), "./off", FOLDER / "off"),
        (LogTarget(), "off", "off"),
        (LogTarget(), "-", "-"),
        (LogTarget(), "./-", FOLDER / "-"),
        (WorkerCount(), "auto", "auto"),
        (WorkerCount(), 1024, 1024),
        (ListenAddress(), "[::1]:1", Address("::1", 1)),
        (NetworkRange(), "192.0.2.0/24", ip_network("192.0.2.0/24")),
        (NetworkRange(), "::1", ip_network("::1/128")),
        (ListOf(WORD), ["b", "a"], ("b", "a")),
        (ListOf(WORD, least=0), [], ()),
        (PLACES, {"a": "b"}, {"a": "b"}),
        (PLACES, {}, {}),
    ],
)
def test_a_value_becomes_the_programs_own(check: Check[object], value: object, accepted: object) -> None:
    result = check.accept(value, FOLDER)
    assert result == accepted
    assert type(result) is type(accepted)


@pytest.mark.parametrize(
    ("check", "value", "problems"),
    [
        (WholeNumber(1, 3), 0, {"": "must be a whole number from 1 to 3, not 0"}),
        (WholeNumber(1, 3), 4, {"": "must be a whole number from 1 to 3, not 4"}),
        (WholeNumber(0, 3), False, {"": "must be a whole number from 0 to 3, not false"}),
        (WholeNumber(1, 3), 1.0, {"": "must be a whole number from 1 to 3, not 1.0"}),
        (Seconds(60), 60.5, {"": "must be a number of seconds above 0 and up to 60, not 60.5"}),
        (Seconds(60), -1, {"": "must be a number of seconds above 0 and up to 60, not -1"}),
        (Choice(("a", "b", "c")), "A", {"": 'must be "a", "b" or "c", not "A"'}),
        (WORD, "abc\n", {"": 'must be a word, not "abc\\n"'}),
        (WORD, 3, {"": "must be a word, not 3"}),
        (FilePath(), "", {"": 'must be a path, not ""'}),
        (FilePath(), "a\0", {"": 'must be a path, not "a\\u0000"'}),
        (FileOrOff(), "", {"": 'must be "off" or the path of a file, not ""'}),
        (FileOrOff(), False, {"": 'must be "off" or the path of a file, not false'}),
        (LogTarget(), 1, {"": 'must be "off", "-" (standard output) or a path, not 1'}),
        (WorkerCount(), 1025, {"": 'must be "auto" or a whole number from 1 to 1024, not 1025'}),
        (ListenAddress(), "a", {"": "'a' must end in a port from 0 to 65535, as in 127.0.0.1:8443"}),
        (NetworkRange(), 1, {"": "must be a network such as 192.0.2.0/24 or 2001:db8::/32, not 1"}),
        (NetworkRange(), "::1/64", {"": "'::1/64' has bits behind its prefix: is ::/64 meant, or a single address?"}),
        (ListOf(WORD), "abc", {"": 'must be a list, each a word, not "abc"'}),
        (ListOf(WORD), [], {"": "must have at least 1 entry, each a word"}),
        (
            ListOf(WORD),
            ["a", 1, "a", 2],
            {
                "[1]": "must be a word, not 1",
                "[2]": '"a" is in the list twice',
                "[3]": "must be a word, not 2",
            },
        ),
        (ListOf(ListOf(WORD)), [["a"], ["b", 1]], {"[1][1]": "must be a word, not 1"}),
        (PLACES, [], {"": "must be a table that maps a word to a word, not an empty list"}),
        (PLACES, {"a": 1, "B.c": "d"}, {".a": "must be a word, not 1", '."B.c"': 'must be a word, not "B.c"'}),
    ],
)
def test_a_refusal_says_what_was_expected(check: Check[object], value: object, problems: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as raised:
        check.accept(value, FOLDER)
    assert dict(raised.value.problems) == problems


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        ({"a": 1}, "a table"),
        ([], "an empty list"),
        ([1], "a list"),
        ('a"b', '"a\\"b"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        (3, "3"),
        ("x" * 58, f'"{"x" * 58}"'),
        ("x" * 59, f'"{"x" * 59}...'),
    ],
)
def test_values_are_shown_short_and_harmless(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(("key", "step"), [("a-b_1", "a-b_1"), ("a.b", '"a.b"'), ("", '""'), ('"', '"\\""')])
def test_keys_stand_in_paths_as_in_toml(key: str, step: str) -> None:
    assert key_step(key) == step
