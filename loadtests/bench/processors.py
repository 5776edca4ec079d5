"""Which processors the server and the client get, so that neither takes time from the other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

# More would only make the client's share of a big machine grow: one worker never keeps four busy.
_MOST_FOR_CLIENT = 4


@dataclass(frozen=True, slots=True)
class Processors:
    """One processor for the server, at least one for the client, and what is wrong with the choice ("" if nothing).

    ``priority`` is the real-time priority of what runs there, 0 for none.
    """

    server: int
    client: tuple[int, ...]
    caution: str = ""
    priority: int = 0

    def for_server(self, command: Sequence[str]) -> list[str]:
        """Return ``command`` bound to the server's processor."""
        return [*self._first(), *bound_to([self.server], command)]

    def for_client(self, command: Sequence[str]) -> list[str]:
        """Return ``command`` bound to the client's processors."""
        return [*self._first(), *bound_to(self.client, command)]

    def _first(self) -> list[str]:
        return ["chrt", "--rr", str(self.priority)] if self.priority else []


def bound_to(processors: Sequence[int], command: Sequence[str]) -> list[str]:
    """Return ``command`` bound to ``processors``; to all that there are where none is named."""
    return ["taskset", "-c", ",".join(map(str, processors)), *command] if processors else list(command)


def choose(usable: AbstractSet[int], siblings: Mapping[int, AbstractSet[int]]) -> Processors:
    """Choose among the ``usable`` processors; ``siblings`` are the threads of the same core, by processor."""
    server, *others = sorted(usable)
    if not others:
        return Processors(server, (server,), "one processor for server and client: rates are far too low")
    apart = [number for number in others if number not in siblings.get(server, set())]
    if not apart:
        caution = "server and client run on two threads of the same core and slow each other down"
        return Processors(server, tuple(others[:_MOST_FOR_CLIENT]), caution)
    return Processors(server, tuple(apart[:_MOST_FOR_CLIENT]))


def choose_here() -> Processors:
    """Choose among the processors that this process may use."""
    usable = os.sched_getaffinity(0)
    return choose(usable, {number: _siblings(number) for number in usable})


def _siblings(number: int) -> set[int]:
    path = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
    try:
        return parse_cpu_list(path.read_text())
    except OSError:
        return {number}


def parse_cpu_list(text: str) -> set[int]:
    """Parse the kernel's list format: ``0-2,5`` is {0, 1, 2, 5}."""
    found: set[int] = set()
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            found |= set(range(int(first), int(last or first) + 1))
    return found
