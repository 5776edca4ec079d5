"""What a user does, turn by turn; without Locust, which only tells it when to begin and to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from loadtests.users.connections import Connections
from loadtests.users.mix import Found, Mix, Turn, ranges
from loadtests.users.scenario import Request, Users
from loadtests.users.transfer import HTTP_3_ONLY, Digest, Get, Outcome, Target, Transfer, new_digest
from loadtests.users.verdict import Expected

Report = Callable[[Outcome], None]


class Visitor:
    """A user: connections, what it has had already, and chance of its own."""

    def __init__(self, target: Target, mix: Mix, habits: Users, chance: Random, report: Report) -> None:
        self._target = target
        self._mix = mix
        self._habits = habits
        self._chance = chance
        self._report = report
        self._protocol = target.protocol
        self._connections = Connections(1 if target.version == HTTP_3_ONLY else habits.connections)
        self._transfers: list[Transfer] = []
        self._etags: dict[str, str] = {}

    def take_turn(self) -> bool:
        """Do the next thing and report each request; return whether all connections held."""
        if self._habits.cold_share and self._chance.random() < self._habits.cold_share:
            self._connections.drop()
        turn = self._mix.turn(self._chance)
        # Ends at the first that fails: what comes after it needs the same server.
        return all(self._get_all(gets) for gets in self._batches(turn))

    def think_s(self) -> float:
        """Return how long to wait before the next turn."""
        return self._chance.uniform(*self._habits.think_s)

    def close(self) -> None:
        """Close connections and handles."""
        self._connections.close()
        for transfer in self._transfers:
            transfer.close()
        self._transfers.clear()

    def _get_all(self, gets: list[Get]) -> bool:
        """Make requests at a time; return whether all connections held."""
        while len(self._transfers) < len(gets):
            self._transfers.append(Transfer(self._target))
        transfers = self._transfers[: len(gets)]
        handles = [transfer.prepare(get) for transfer, get in zip(transfers, gets, strict=True)]
        failures = self._connections.perform(handles)
        outcomes = [transfer.outcome(failure) for transfer, failure in zip(transfers, failures, strict=True)]
        for outcome in outcomes:
            if outcome.etag and not outcome.error:
                self._etags[outcome.get.path] = outcome.etag
            self._report(outcome)
        if any(outcome.broken for outcome in outcomes):
            self._connections.drop()
            return False
        return True

    def _batches(self, turn: Turn) -> Iterator[list[Get]]:
        """Yield what is asked for at a time: all files, or the first pieces of all, the second ones, and so on."""
        request = turn.request
        digests = [new_digest() if self._is_checked() else None for _ in turn.files]
        if request.pieces == 1:
            yield [self._whole(request, found, digest) for found, digest in zip(turn.files, digests, strict=True)]
            return
        for piece in range(request.pieces):
            gets = [
                get
                for found, digest in zip(turn.files, digests, strict=True)
                if (get := self._piece(request, found, digest, piece)) is not None
            ]
            if gets:
                yield gets

    def _whole(self, request: Request, found: Found, digest: Digest | None) -> Get:
        path, asset = found
        etag = self._etags.get(path) if request.conditional else None
        if etag:
            # RFC 9110 section 15.4.5: a 304 has no content.
            expected = Expected(self._protocol, 304, 0)
            return Get(f"{request.name} (304)", path, expected, (f"If-None-Match: {etag}",))
        expected = Expected(self._protocol, 200, asset.bytes, asset.sha256 if digest else "")
        return Get(request.name, path, expected, (), digest)

    def _piece(self, request: Request, found: Found, digest: Digest | None, number: int) -> Get | None:
        path, asset = found
        pieces = ranges(asset.bytes, request.pieces)
        if number >= len(pieces):
            # Too short for as many; an empty file is asked for once, whole.
            return self._whole(request, found, digest) if not pieces and number == 0 else None
        first, last = pieces[number]
        expected = Expected(
            self._protocol,
            206,
            last - first + 1,
            # Only with the last piece there are all bytes.
            asset.sha256 if digest and number == len(pieces) - 1 else "",
            f"bytes {first}-{last}/{asset.bytes}",
        )
        return Get(request.name, path, expected, (f"Range: bytes={first}-{last}",), digest)

    def _is_checked(self) -> bool:
        return self._chance.random() < self._habits.sha256_share
