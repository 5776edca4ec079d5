"""What users do: the files that there are, what is asked for how often, and how the number of users changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ktlsserve.config.checks import Choice, ListOf, Matching, Problem, WholeNumber
from ktlsserve.config.rule_checks import Flag, Parsed
from ktlsserve.config.table import Table, setting
from ktlsserve.http1.glob import Glob
from loadtests.users.checks import Number, Span, WholeSpan
from loadtests.users.document import load_document

_GIB = 1 << 30
SHAPES = ("options", "ramp", "hold", "spike")


@dataclass(frozen=True, slots=True)
class Files:
    """Some files of one kind, as ``python -m loadtests.tree`` makes them."""

    path: str = field(
        metadata=setting(
            Matching(
                r"(?:/(?!\.{1,2}(?:/|$))[\w.{}-]+)+", "a path such as /pages/{n}.html, of letters, digits and ._-"
            ),
            "Where they are; {n} stands for the number of each, from 1 on.",
            example='"/pages/{n}.html"',
        ),
    )
    bytes: tuple[int, int] = field(
        metadata=setting(
            WholeSpan(0, 4 * _GIB),
            "How long they are: a number, or the least and the most. Between these they are spread evenly by their "
            "logarithm: most are short and a few are long, as on a site.",
            example="[2_000, 30_000]",
        ),
    )
    count: int = field(default=1, metadata=setting(WholeNumber(1, 100_000), "How many there are."))

    def problems(self) -> list[Problem]:
        """Several files need several names."""
        if self.count > 1 and "{n}" not in self.path:
            return [("path", f"must hold {{n}}, because there are {self.count} of them")]
        if "{" in self.path.replace("{n}", "") or "}" in self.path.replace("{n}", ""):
            return [("path", "may hold braces only as {n}")]
        return []


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that users do: a turn of a user is one of these, by its weight."""

    name: str = field(
        metadata=setting(
            Matching(r"[\w ./:-]{1,60}", "a name of letters, digits, spaces and ./:-"),
            "What its row is called.",
            example='"page"',
        ),
    )
    paths: str = field(
        metadata=setting(
            Parsed(Glob, "a pattern such as /pages/*"),
            "Which files of the manifest it asks for, as in the rules of ktlsserve; each as often as any other.",
            example='"/pages/*"',
        ),
    )
    weight: int = field(default=1, metadata=setting(WholeNumber(1, 1_000_000), "How often it is chosen."))
    parallel: int = field(
        default=1,
        metadata=setting(
            WholeNumber(1, 256),
            "How many files are asked for at a time, as a browser does for what a page needs. Over HTTP/1.1 they share "
            "users.connections, over HTTP/3 one connection.",
        ),
    )
    pieces: int = field(
        default=1,
        metadata=setting(
            WholeNumber(1, 1000),
            "In how many ranges a file is asked for, one after the other, as players and download managers do; each is "
            "a request. 1: whole.",
        ),
    )
    conditional: bool = field(
        default=False,
        metadata=setting(
            Flag(),
            "Whether users who have had a file ask only if it has changed. The answer must be 304; these have a row of "
            'their own: NAME followed by "(304)".',
        ),
    )

    def problems(self) -> list[Problem]:
        """A range isn't asked for again under a condition."""
        if self.conditional and self.pieces > 1:
            return [("pieces", "must be 1 where conditional = true")]
        return []


@dataclass(frozen=True, slots=True)
class Users:
    """What is the same for all that users do."""

    think_s: tuple[float, float] = field(
        default=(0.0, 0.0),
        metadata=setting(
            Span(Number(0, 3600)), "How long a user waits after each turn: a number, or the least and the most."
        ),
    )
    cold_share: float = field(
        default=0.0,
        metadata=setting(
            Number(0, 1),
            "The share of turns that begin without connections, as a visitor who comes for the first time: each has a "
            "full handshake. 0: connections are kept as long as the server keeps them.",
        ),
    )
    connections: int = field(
        default=6,
        metadata=setting(
            WholeNumber(1, 256), "Most connections of a user over HTTP/1.1. Browsers have six; HTTP/3 needs one."
        ),
    )
    sha256_share: float = field(
        default=0.1,
        metadata=setting(
            Number(0, 1),
            "The share of answers whose bytes are checked. Status, length and protocol are checked in all of them. The "
            "check costs the client, not the server, some 2 ms for each MB.",
        ),
    )
    timeout_s: float = field(
        default=10.0,
        metadata=setting(Number(0.1, 3600), "How long a request may take, with its handshake, before it has failed."),
    )
    pause_after_error_s: float = field(
        default=0.5,
        metadata=setting(
            Number(0, 3600),
            "How long a user waits after a connection failed, so that a server that is down isn't asked thousands of "
            "times a second.",
        ),
    )


@dataclass(frozen=True, slots=True)
class Load:
    """How the number of users changes."""

    shape: str = field(
        default="options",
        metadata=setting(
            Choice(SHAPES),
            "options: as --users, --spawn-rate and --run-time say. ramp: up to users in ramp_s, and hold_s of that. "
            "hold: all users at once, for hold_s. spike: hold_s of users, spike_s of spike_users, hold_s of users.",
        ),
    )
    users: int = field(default=20, metadata=setting(WholeNumber(1, 1_000_000), "How many users there are."))
    spike_users: int = field(default=100, metadata=setting(WholeNumber(1, 1_000_000), "How many there are in a spike."))
    ramp_s: float = field(default=30.0, metadata=setting(Number(1, 86400), "How long a ramp takes to get to users."))
    hold_s: float = field(default=30.0, metadata=setting(Number(1, 86400), "How long their number stays."))
    spike_s: float = field(default=10.0, metadata=setting(Number(1, 86400), "How long a spike lasts."))


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole scenario file."""

    request: tuple[Request, ...] = field(
        metadata=setting(ListOf(Table(Request)), "What users do.", example='{ name = "page", paths = "/pages/*" }')
    )
    file: tuple[Files, ...] = field(
        default=(),
        metadata=setting(
            ListOf(Table(Files), least=0),
            "The files to make; none where the manifest is of files that are there already.",
        ),
    )
    seed: int = field(
        default=1,
        metadata=setting(
            WholeNumber(0, 1 << 32), "What all chance comes from: the same one gives the same files and the same turns."
        ),
    )
    users: Users = field(default_factory=Users, metadata=setting(Table(Users), "What all turns have in common."))
    load: Load = field(default_factory=Load, metadata=setting(Table(Load), "How the number of users changes."))

    def problems(self) -> list[Problem]:
        """Rows are told apart by their names."""
        names = [request.name for request in self.request]
        return [
            (f"request[{position}].name", f'"{name}" is the name of another request, too')
            for position, name in enumerate(names)
            if name in names[:position]
        ]


def load_scenario(file: Path) -> Scenario:
    """Read a scenario; raises ConfigError with all that is wrong with it."""
    return load_document(Scenario, file)
