"""What the supervisor knows of the server, for others to read: a page of shared memory with JSON in it.

The supervisor writes, the admin endpoint reads, and neither waits for the other. A counter before the text is odd while
the text is being written, and another one after each time: who finds it odd, or changed since it began to read, reads
again. The time of the last writing tells whether the supervisor is still about.
"""

from __future__ import annotations

import json
import mmap
import struct
from dataclasses import asdict, dataclass
from enum import StrEnum

# More than a thousand workers of several generations take; memory that isn't written to costs nothing.
_PAGE_BYTES = 1 << 20
_SEQUENCE = struct.Struct("=Q")
# When it was written, in nanoseconds of the monotonic clock, and the length of the text.
_HEADER = struct.Struct("=QQ")
_TEXT_AT = _SEQUENCE.size + _HEADER.size
_ATTEMPTS = 1000
_NS_A_SECOND = 1_000_000_000


class Stage(StrEnum):
    """Where the server is in its life."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class WorkerStage(StrEnum):
    """What a worker does: it starts, serves, or finishes what it has begun because others serve or nobody will."""

    STARTING = "starting"
    SERVING = "serving"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker: its process, its place in its generation, when it was started (seconds since the epoch), its stage.

    ``alive`` tells that it hasn't been found to hang.
    """

    pid: int
    number: int
    generation: int
    started_s: float
    stage: WorkerStage
    alive: bool = True


@dataclass(frozen=True, slots=True)
class ServerState:
    """The whole server.

    ``generation`` counts those that have come to serve, ``wanted`` is how many workers the present one should have, and
    ``restarts`` how many workers were started in the place of others that had died.
    """

    stage: Stage
    pid: int
    started_s: float
    generation: int
    wanted: int
    restarts: int
    workers: tuple[WorkerState, ...]


class StatePage:
    """A page that one process writes and those that are forked from it read."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _PAGE_BYTES)
        self._sequence = 0

    def write(self, state: ServerState, now_s: float) -> None:
        """Show ``state``, as of ``now_s`` of the monotonic clock."""
        text = json.dumps(asdict(state)).encode("ascii")
        if _TEXT_AT + len(text) > _PAGE_BYTES:
            raise ValueError(f"{len(state.workers)} workers are too many for the page")
        self._set_sequence(self._sequence + 1)
        _HEADER.pack_into(self._memory, _SEQUENCE.size, int(now_s * _NS_A_SECOND), len(text))
        self._memory[_TEXT_AT : _TEXT_AT + len(text)] = text
        self._set_sequence(self._sequence + 1)

    def read(self) -> tuple[ServerState, float] | None:
        """Return the state and when it was written, on the monotonic clock; None where there is none to be had."""
        for _ in range(_ATTEMPTS):
            sequence = self._read_sequence()
            if sequence % 2:
                continue
            written_ns, length = _HEADER.unpack_from(self._memory, _SEQUENCE.size)
            text = self._memory[_TEXT_AT : _TEXT_AT + length]
            if self._read_sequence() == sequence:
                return (_parse(text), written_ns / _NS_A_SECOND) if text else None
        # Its writer has died in the midst of it.
        return None

    def _set_sequence(self, sequence: int) -> None:
        self._sequence = sequence
        _SEQUENCE.pack_into(self._memory, 0, sequence)

    def _read_sequence(self) -> int:
        sequence: int = _SEQUENCE.unpack_from(self._memory, 0)[0]
        return sequence


def _parse(text: bytes) -> ServerState:
    fields = json.loads(text)
    workers = [
        WorkerState(**{**worker, "stage": WorkerStage(worker["stage"])}) for worker in fields.pop("workers")
    ]  # fmt: skip
    return ServerState(**{**fields, "stage": Stage(fields["stage"]), "workers": tuple(workers)})
