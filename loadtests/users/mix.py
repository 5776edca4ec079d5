"""What a user does next: a turn, chosen by chance from the scenario's requests and the manifest's paths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from ktlsserve.http1.glob import Glob
from loadtests.users.errors import LoadTestError
from loadtests.users.manifest import Asset, Manifest
from loadtests.users.scenario import Request, Scenario

Found = tuple[str, Asset]


@dataclass(frozen=True, slots=True)
class Turn:
    """A request of the scenario and the files that it is for; ``parallel`` of them at a time."""

    request: Request
    files: tuple[Found, ...]


class Mix:
    """The turns of all users of a process."""

    def __init__(self, scenario: Scenario, manifest: Manifest) -> None:
        """Find the files of each request; raises LoadTestError with all requests that have none."""
        self._requests = scenario.request
        self._bounds = tuple(accumulate(request.weight for request in scenario.request))
        self._files = {request.name: tuple(_matching(request, manifest)) for request in scenario.request}
        without = [request for request in scenario.request if not self._files[request.name]]
        if without:
            raise LoadTestError(
                "\n".join(f'request "{each.name}": the manifest has no path like {each.paths}' for each in without)
            )

    def turn(self, chance: Random) -> Turn:
        """Choose a turn."""
        (request,) = chance.choices(self._requests, cum_weights=self._bounds)
        files = self._files[request.name]
        # Different files, as long as there are enough: a page needs none twice.
        if request.parallel <= len(files):
            return Turn(request, tuple(chance.sample(files, request.parallel)))
        return Turn(request, tuple(chance.choices(files, k=request.parallel)))


def ranges(length: int, pieces: int) -> list[tuple[int, int]]:
    """Return the first and last byte of each piece of a file; empty for one that can't be had in ranges."""
    size = -(-length // pieces)
    return [(first, min(first + size, length) - 1) for first in range(0, length, size)] if size else []


def _matching(request: Request, manifest: Manifest) -> Iterator[Found]:
    glob = Glob(request.paths)
    # In their order: what chance chooses depends on the paths alone, not on who wrote the manifest.
    return ((path, manifest[path]) for path in sorted(manifest) if glob.matches(path))
