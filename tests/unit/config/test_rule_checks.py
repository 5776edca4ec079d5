from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.config.checks import Check
from ktlsserve.config.rule_checks import Flag, FolderOrOff, NumberChoice, Parsed
from ktlsserve.errors import ConfigError

FOLDER = Path("/etc/ktlsserve")


def parse_letter(text: str) -> str:
    if len(text) != 1:
        raise ValueError("one letter, please")
    return text


LETTER = Parsed(parse_letter, "a letter")


@pytest.mark.parametrize(
    ("check", "value", "accepted"),
    [
        (Flag(), True, True),
        (Flag(), False, False),
        (NumberChoice((301, 308)), 308, 308),
        (FolderOrOff(), "off", "off"),
        (FolderOrOff(), "./off", FOLDER / "off"),
        (FolderOrOff(), "/srv", Path("/srv")),
        (LETTER, "a", "a"),
    ],
)
def test_what_is_accepted(check: Check[object], value: object, accepted: object) -> None:
    assert check.accept(value, FOLDER) == accepted


@pytest.mark.parametrize(
    ("check", "value", "complaint"),
    [
        (Flag(), 1, "must be true or false, not 1"),
        (NumberChoice((301, 302, 308)), 303, "must be 301, 302 or 308, not 303"),
        (NumberChoice((0, 1)), True, "must be 0 or 1, not true"),
        (NumberChoice((301, 308)), "301", 'not "301"'),
        (FolderOrOff(), "", '"off" or the path of a folder'),
        (FolderOrOff(), "a\0", '"off" or the path of a folder'),
        (FolderOrOff(), 3, "not 3"),
        (LETTER, "ab", "^: one letter, please$"),
        (LETTER, 3, "must be a letter, not 3"),
    ],
)
def test_what_is_refused(check: Check[object], value: object, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        check.accept(value, FOLDER)
