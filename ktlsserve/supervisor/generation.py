"""A generation of workers: processes forked from one service, which serve it until they leave.

The supervisor and each worker hold an end of a socket pair; what they say through it is in ``worker.orders``.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ktlsserve.clients.tables import ClientTables, SharedTables
from ktlsserve.errors import EXIT_BUG, EXIT_OK, EXIT_STARTUP, KtlsServeError
from ktlsserve.observe.board import Board, Slot
from ktlsserve.observe.logs import name_worker
from ktlsserve.worker.loop import Worker
from ktlsserve.worker.orders import ALIVE, PING, READY, REOPEN, RETIRE, STOP
from ktlsserve.worker.service import Service

logger = logging.getLogger(__name__)

# A worker that is asked so has its stacks written to standard error, wherever it hangs, and lives on.
STACK_SIGNAL = signal.SIGQUIT
_READ_BYTES = 64


@dataclass(slots=True, eq=False)
class WorkerProcess:
    """One forked worker, the ``number``-th of its generation; ``control`` is None once it was told to drain.

    ``unanswered`` counts the looks since a PING that it hasn't answered; ``kill_s`` is when it is killed, if at all.
    """

    pid: int
    number: int
    control: socket.socket | None
    started_s: float
    ready: bool = False
    unanswered: int = 0
    kill_s: float | None = None

    def order(self, order: bytes, descriptors: tuple[int, ...] = ()) -> None:
        """Tell the worker something, unless it is gone or doesn't listen: then its end comes by other ways."""
        if self.control is None:
            return
        with contextlib.suppress(OSError):
            if descriptors:
                socket.send_fds(self.control, [order], descriptors)
            else:
                self.control.send(order)

    def ping(self) -> None:
        """Ask whether it is alive."""
        self.order(PING)

    def listen(self) -> None:
        """Take what the worker has said."""
        if self.control is None:
            return
        try:
            said = self.control.recv(_READ_BYTES)
        except OSError:
            # Nothing, or it is gone: then its end is reported too.
            return
        if READY in said:
            self.ready = True
        if ALIVE in said:
            self.unanswered = 0


@dataclass(slots=True, eq=False)
class Generation:
    """Workers that serve the same ``service``; ``wanted`` is how many there should be.

    Where ``cpus`` are given, the workers are bound to them, one each, in turn. They show what they count on ``board``,
    where there is one. ``name`` is what their lines in the log are from. ``tables`` are
    what they share, from the first one on.
    """

    service: Service
    wanted: int
    cpus: tuple[int, ...] = ()
    board: Board | None = None
    name: Literal["admin"] | None = None
    workers: dict[int, WorkerProcess] = field(default_factory=dict)
    tables: SharedTables | None = None

    @property
    def ready(self) -> bool:
        """Whether all of its workers serve."""
        return len(self.workers) == self.wanted and all(worker.ready for worker in self.workers.values())

    @property
    def lacking(self) -> int:
        """How many workers are to be replaced."""
        return max(0, self.wanted - len(self.workers))

    def spawn(self, now_s: float, forget: Callable[[], None]) -> WorkerProcess:
        """Fork one more worker; ``forget`` closes in the child what only the supervisor may hold. Raises OSError."""
        taken = {worker.number for worker in self.workers.values()}
        number = next(number for number in range(self.wanted) if number not in taken)
        if self.tables is None:
            self.tables = SharedTables(self.service.limits, self.wanted)
        tables = self.tables.of_worker(number)
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
                name_worker(self.name or number)
                self._bind_to_cpu(number)
                slot = self.board.slot(number) if self.board is not None else None
                status = _work(self.service, theirs, slot, tables, tells=number == 0 and not self.name)
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
            worker.order(RETIRE)

    def stop(self) -> None:
        """Tell all workers to let a load balancer notice, and then to finish, within the time limit."""
        self.wanted = 0
        for worker in self.workers.values():
            worker.order(STOP)

    def drain(self) -> None:
        """Tell all workers to finish at once, within the time limit."""
        self.wanted = 0
        for worker in self.workers.values():
            if worker.control is not None:
                worker.control.close()
                worker.control = None

    def kill(self) -> None:
        """End the workers that are left at once."""
        for pid in self.workers:
            os.kill(pid, signal.SIGKILL)

    def reopen_log(self) -> None:
        """Have the workers write the access log to what its path names now."""
        log = self.service.access_log
        fd = log.open_anew() if log is not None else None
        if log is None or fd is None:
            return
        for worker in self.workers.values():
            worker.order(REOPEN, (fd,))
        if self.wanted:
            # Those who are forked later inherit it.
            log.move_to(fd)
        else:
            os.close(fd)

    def _bind_to_cpu(self, number: int) -> None:
        if self.cpus:
            cpu = self.cpus[number % len(self.cpus)]
            try:
                os.sched_setaffinity(0, {cpu})
            except OSError as error:
                # It was usable when the generation was made: no reason not to serve.
                logger.warning("can't stay on CPU %d: %s", cpu, error.strerror)


def _work(service: Service, control: socket.socket, slot: Slot | None, tables: ClientTables, *, tells: bool) -> int:
    """Be a worker, from the fork to the exit status; one of each generation ``tells`` what all of them do."""
    if sys.__stderr__ is not None:
        faulthandler.register(STACK_SIGNAL, file=2)
    else:
        # Nobody to tell; and the default is a dump of its memory, keys included.
        signal.signal(STACK_SIGNAL, signal.SIG_IGN)
    try:
        _confine(service, tells=tells)
        worker = Worker(service, control, slot, tables)
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


def _confine(service: Service, *, tells: bool) -> None:
    # What answers in the place of the sites opens none of their files.
    in_force = service.confinement.apply(service.roots if service.answer is None else ())
    if tells:
        logger.info("confined: %s", ", ".join(in_force.given_up))
        for warning in in_force.warnings:
            logger.warning("%s", warning)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
