"""A generation of workers: processes forked from one service, which serve it until they are drained.

The supervisor and each worker hold an end of a socket pair. The worker writes one byte when it is ready. A byte from
the supervisor retires the worker: it accepts no more and ends with its last connection, however long that takes. The
supervisor closes its end to have the worker drain within a time limit, which happens just so if the supervisor itself
dies: no worker is left alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from ktlsserve.errors import EXIT_BUG, EXIT_OK, EXIT_STARTUP, KtlsServeError
from ktlsserve.observe.logs import name_worker
from ktlsserve.worker.loop import Worker
from ktlsserve.worker.service import Service

logger = logging.getLogger(__name__)

READY = b"R"
RETIRE = b"L"


@dataclass(slots=True, eq=False)
class WorkerProcess:
    """One forked worker, the ``number``-th of its generation; ``control`` is None once it was told to drain."""

    pid: int
    number: int
    control: socket.socket | None
    started_s: float
    ready: bool = False


@dataclass(slots=True, eq=False)
class Generation:
    """Workers that serve the same ``service``; ``wanted`` is how many there should be."""

    service: Service
    wanted: int
    workers: dict[int, WorkerProcess] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether all of its workers serve."""
        return len(self.workers) == self.wanted and all(worker.ready for worker in self.workers.values())

    def spawn(self, now_s: float, forget: Callable[[], None]) -> WorkerProcess:
        """Fork one more worker; ``forget`` closes in the child what only the supervisor may hold. Raises OSError."""
        taken = {worker.number for worker in self.workers.values()}
        number = next(number for number in range(self.wanted) if number not in taken)
        ours, theirs = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            status = EXIT_BUG
            try:
                forget()
                ours.close()
                name_worker(number)
                status = _work(self.service, theirs)
            finally:
                # Never back into the supervisor's stack, and no exit handlers of its.
                _flush()
                os._exit(status)
        theirs.close()
        ours.setblocking(False)
        worker = WorkerProcess(pid, number, ours, now_s)
        self.workers[pid] = worker
        return worker

    def retire(self) -> None:
        """Tell all workers to finish in their own time: a successor serves already."""
        self.wanted = 0
        for worker in self.workers.values():
            if worker.control is not None:
                with contextlib.suppress(OSError):
                    worker.control.send(RETIRE)

    def drain(self) -> None:
        """Tell all workers to finish within the time limit."""
        self.wanted = 0
        for worker in self.workers.values():
            if worker.control is not None:
                worker.control.close()
                worker.control = None

    def kill(self) -> None:
        """End the workers that are left at once."""
        for pid in self.workers:
            os.kill(pid, signal.SIGKILL)


def _work(service: Service, control: socket.socket) -> int:
    """Be a worker, from the fork to the exit status."""
    try:
        worker = Worker(service, control)
        try:
            control.sendall(READY)
        except BrokenPipeError:
            # Told to drain before it was ready: the supervisor stops, or is gone.
            return EXIT_OK
        worker.run()
    except KtlsServeError as error:
        logger.error("worker can't start: %s", error)  # noqa: TRY400 - the message is for the operator
        return EXIT_STARTUP
    except BaseException:
        logger.exception("a bug ended this worker")
        return EXIT_BUG
    return EXIT_OK


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
