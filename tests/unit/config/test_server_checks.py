from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.config.checks import Check, Seconds
from ktlsserve.config.server_checks import CpuAffinity, PathOrOff
from ktlsserve.errors import ConfigError

FOLDER = Path("/etc/site")


@pytest.mark.parametrize(
    ("check", "value", "accepted"),
    [
        (PathOrOff(), "off", "off"),
        (PathOrOff(), "./off", FOLDER / "off"),
        (PathOrOff(), "/run/pid", Path("/run/pid")),
        (CpuAffinity(), True, True),
        (CpuAffinity(), False, False),
        (CpuAffinity(), [0], (0,)),
        (CpuAffinity(), [8191, 2], (8191, 2)),
        (Seconds(60, zero="never"), 0, 0.0),
        (Seconds(60, zero="never"), 60, 60.0),
    ],
)
def test_a_value_becomes_the_programs_own(check: Check[object], value: object, accepted: object) -> None:
    result = check.accept(value, FOLDER)
    assert result == accepted
    assert type(result) is type(accepted)


NEITHER = "must be true, false or a list of CPUs, each a whole number from 0 to 8191, not"


@pytest.mark.parametrize(
    ("check", "value", "problems"),
    [
        (PathOrOff(), "", {"": 'must be "off" or a path, not ""'}),
        (PathOrOff(), False, {"": 'must be "off" or a path, not false'}),
        (CpuAffinity(), "true", {"": f'{NEITHER} "true"'}),
        (CpuAffinity(), 1, {"": f"{NEITHER} 1"}),
        (CpuAffinity(), [], {"": "must have at least 1 entry, each a whole number from 0 to 8191"}),
        (CpuAffinity(), [1, 1], {"[1]": "1 is in the list twice"}),
        (CpuAffinity(), [8192], {"[0]": "must be a whole number from 0 to 8191, not 8192"}),
        (Seconds(60, zero="never"), -1, {"": "must be a number of seconds above 0 and up to 60, or 0 (never), not -1"}),
        (
            Seconds(60, zero="never"),
            False,
            {"": "must be a number of seconds above 0 and up to 60, or 0 (never), not false"},
        ),
    ],
)
def test_a_refusal_says_what_was_expected(check: Check[object], value: object, problems: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as raised:
        check.accept(value, FOLDER)
    assert dict(raised.value.problems) == problems
