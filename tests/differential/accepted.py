"""The differences that are meant to be, out of ``accepted.toml``."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.differential.comparing import Difference

TABLE = Path(__file__).with_name("accepted.toml")

_KEYS = {"name", "aspects", "ours", "theirs", "requests", "because", "rfc", "since", "until"}
_RFC = re.compile(r"RFC \d{4} section \d+(\.\d+)*")
_SHOWN = 4


@dataclass(frozen=True)
class Accepted:
    """A class of differences: in which aspects, between which values, for which requests; and why it may be."""

    name: str
    aspects: frozenset[str]
    ours: re.Pattern[str]
    theirs: re.Pattern[str]
    requests: re.Pattern[str]

    def covers(self, difference: Difference) -> bool:
        """Tell whether ``difference`` belongs to this class."""
        return (
            difference.aspect in self.aspects
            and self.ours.fullmatch(difference.ours) is not None
            and self.theirs.fullmatch(difference.theirs) is not None
            and self.requests.search(difference.request) is not None
        )


Version = tuple[int, int]


def load_accepted(text: str, version: Version) -> list[Accepted]:
    """Read the entries that hold for a version of nginx; each has a reason and the section of an RFC beside it."""
    return [
        _accepted(entry)
        for entry in tomllib.loads(text)["difference"]
        if parse_version(entry.get("since", "0.0")) <= version <= parse_version(entry.get("until", "99.0"))
    ]


def parse_version(text: str) -> Version:
    """Return the first two numbers of a version."""
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


def unexplained(found: Iterable[Difference], accepted: list[Accepted]) -> list[str]:
    """Return what no entry covers, alike ones together, each with some of its requests."""
    groups: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for difference in found:
        if not any(entry.covers(difference) for entry in accepted):
            groups[difference.aspect, difference.ours, difference.theirs].append(difference.request)
    return [
        f"{aspect}: ours {ours!r}, theirs {theirs!r}: {len(requests)} times, such as {requests[:_SHOWN]}"
        for (aspect, ours, theirs), requests in groups.items()
    ]


def outlived(found: Iterable[Difference], accepted: list[Accepted]) -> list[str]:
    """Return the names of entries that cover nothing that was found."""
    found = list(found)
    return [entry.name for entry in accepted if not any(map(entry.covers, found))]


def _accepted(entry: dict[str, Any]) -> Accepted:
    assert set(entry) <= _KEYS, f"{entry.get('name')}: unknown keys {set(entry) - _KEYS}"
    assert entry["because"], entry["name"]
    assert _RFC.match(entry["rfc"]), f"{entry['name']}: {entry['rfc']!r} names no section"
    return Accepted(
        entry["name"],
        frozenset(entry["aspects"]),
        re.compile(entry.get("ours", ".*"), re.DOTALL),
        re.compile(entry.get("theirs", ".*"), re.DOTALL),
        re.compile(entry.get("requests", "")),
    )
