"""The corpus over real sockets: each case on a connection of its own, split as one likes, to the orderly end.

The server is one worker that serves the tree of ``site_tree`` with ``SETTINGS``. That a connection was *left open* is
not seen by waiting for nothing, so there is a second connection to the same worker: once that one has an answer, the
worker has seen all that came before. Then the client closes its side, and whatever still comes is too much.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.support.corpus import Case, Response, load_cases, mismatches, parse_responses
from tests.support.site_tree import BODY_BYTES, DIGITS
from tests.support.wire import Dial, Wire

SETTINGS: Mapping[str, object] = {
    "http.max_discarded_body_bytes": BODY_BYTES,
    # None of them is to pass, however slow the machine.
    "timeouts.handshake_s": 600,
    "timeouts.head_s": 600,
    "timeouts.idle_s": 600,
    "timeouts.send_s": 600,
    "timeouts.close_s": 600,
    "log.level": "info",
}

PRECOMPRESSED: Mapping[str, object] = {"defaults.precompressed": ["zstd", "br", "gzip"]}

CONTENT_ETAGS: Mapping[str, object] = {"defaults.etags": "content"}

_STEPS = (1, 2, 3, 7, 20, 100, 1000)

Split = Callable[[Case], Iterable[bytes]]


@dataclass(frozen=True)
class Outcome:
    """What one case came to: the responses without their Date, and what is wrong with them."""

    responses: tuple[Response, ...]
    problems: tuple[str, ...]


def disk_cases() -> list[Case]:
    """Return the cases that a server with SETTINGS and files on a disk must satisfy."""
    return [case for case in load_cases() if case.needs in (None, "disk")]


def precompressed_cases() -> list[Case]:
    """Return the cases that a server with PRECOMPRESSED as well must satisfy."""
    return [case for case in load_cases() if case.needs == "precompressed"]


def content_etag_cases() -> list[Case]:
    """Return the cases that a server with CONTENT_ETAGS as well must satisfy."""
    return [case for case in load_cases() if case.needs == "content"]


def whole(case: Case) -> Iterable[bytes]:
    """Send a case in one piece."""
    return [case.send]


def byte_by_byte(case: Case) -> Iterable[bytes]:
    """Send a case in pieces of one byte."""
    return (bytes([octet]) for octet in case.send)


def at_random(case: Case) -> Iterable[bytes]:
    """Send a case in pieces of random sizes, the same ones each time."""
    source = random.Random(str(case))
    start = 0
    while start < len(case.send):
        end = start + source.choice(_STEPS)
        yield case.send[start:end]
        start = end


def replay_corpus(dial: Dial, split: Split, cases: Sequence[Case] | None = None) -> dict[str, Outcome]:
    """Replay ``cases`` (all that a disk can serve) through connections that ``dial`` opens; outcomes by case."""
    with dial() as witness:
        return {
            str(case): replay_case(dial, witness, case, split) for case in (disk_cases() if cases is None else cases)
        }


def replay_case(dial: Dial, witness: Wire, case: Case, split: Split) -> Outcome:
    """Replay one case; ``witness`` is an idle connection to the same worker."""
    with dial() as wire:
        problems = _send(wire, split(case))
        responses = wire.responses(len(case.expect), case.heads())
        if case.closes:
            stray = wire.read_to_end()
            closed = True
        else:
            assert witness.get("/digits.txt").body == DIGITS
            stray = wire.receive_now()
            closed = wire.end is not None
            if not closed:
                wire.half_close()
                stray += wire.read_to_end()
    further, rest = parse_responses(stray, [])
    problems += mismatches(case, [*responses, *further], closed=closed)
    if rest:
        problems.append(f"bytes that are no response: {rest[:80]!r}")
    if wire.end is not wire.orderly:
        problems.append(f"the connection ended with {wire.end}")
    return Outcome(tuple(map(_without_date, responses)), tuple(problems))


def problems_of(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Return every problem with the case that has it."""
    return [f"{name}: {problem}" for name, outcome in outcomes.items() for problem in outcome.problems]


def _send(wire: Wire, pieces: Iterable[bytes]) -> list[str]:
    """Send all pieces, although the server may have closed its side; that it goes on reading is what is to be shown."""
    try:
        for piece in pieces:
            wire.send(piece)
    except OSError as error:
        return [f"while sending: {error}"]
    return []


def _without_date(response: Response) -> Response:
    headers = tuple((name, value) for name, value in response.headers if name != b"Date")
    return Response(response.status, headers, response.body)
