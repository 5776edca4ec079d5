"""The supervisor's part in the admin endpoint: its listeners, its process, and what that process reads.

The endpoint is a worker of its own kind, forked with each generation of workers and with the service that it was made
from: it reads the boards that were there when it was forked, and what those before them came to. Where it dies it is
forked anew. It is the last process to end, so that until then somebody says that the server stops.

Without ``admin.listen`` nothing here costs anything: there is no board, no page and no process.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ktlsserve.config import Config, Timeouts
from ktlsserve.http1.sites import Sites
from ktlsserve.kernel.machine import Machine
from ktlsserve.observe.board import Board, Ledger
from ktlsserve.observe.server_state import StatePage
from ktlsserve.supervisor.generation import Generation
from ktlsserve.supervisor.listeners import Listener, bind_all
from ktlsserve.supervisor.observation import Observation
from ktlsserve.supervisor.signals import exit_description
from ktlsserve.worker.service import Service

logger = logging.getLogger(__name__)

# Requests are read and answered within moments, and who is slower isn't waited for when the server ends.
_TIMEOUTS = Timeouts(handshake_s=5.0, head_s=5.0, idle_s=30.0, send_s=10.0, close_s=1.0)
_CONNECTIONS = 256
_DRAIN_S = 1.0
# Between a death and the next attempt, so that what kills it at once doesn't keep the supervisor busy.
_PAUSE_S = 1.0
_LAST_WAIT_S = 2.0
_TICK_S = 0.01


@dataclass(slots=True, eq=False)
class _Desk:
    """An endpoint: what it is made from, and its process (a generation of one)."""

    config: Config
    service: Service
    listeners: tuple[Listener, ...]
    process: Generation | None = None
    due_s: float = 0.0


class Admin:
    """Keeps the endpoint running, from ``inherited`` listeners where their addresses are asked for.

    ``forget`` closes in a forked child what only the supervisor may hold.

    A new generation of workers is announced by ``bind`` and ``observe`` before it is forked and ``open`` after that;
    then comes ``promote`` or ``abandon``.
    """

    def __init__(self, inherited: tuple[Listener, ...], forget: Callable[[Generation], None]) -> None:
        self._forget = forget
        self._inherited = inherited
        self._ledger = Ledger()
        self._page: StatePage | None = None
        self._observation = Observation(time.time())
        self._boards: dict[Generation, Board] = {}
        self._bound: tuple[Listener, ...] = ()
        self._coming: _Desk | None = None
        self._serving: _Desk | None = None
        self._leaving: list[Generation] = []

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """The listeners of the endpoint that serves; before there is one, those that were inherited."""
        return self._inherited if self._serving is None else self._serving.listeners

    # A new generation.

    def bind(self, config: Config) -> None:
        """Bind the addresses of ``config``; raise ListenError."""
        self._bound = bind_all(config.admin.listen, self.listeners, config.limits.backlog)

    def observe(self, service: Service, wanted: int) -> Board | None:
        """Return the board for workers that are about to be forked; None where nobody would read it."""
        return Board(service.counters, wanted) if self._bound else None

    def open(self, config: Config, generation: Generation) -> None:
        """Start the endpoint of a generation that was just forked; raise OSError where that can't be."""
        self._observation.begin(generation)
        if generation.board is not None:
            self._boards[generation] = generation.board
            self._ledger.add(generation.board)
        self._coming = _Desk(config, generation.service, self._bound)
        if self._bound:
            self._page = self._page or StatePage()
            self._spawn(self._coming)

    def promote(self) -> None:
        """Let the coming generation's endpoint take over."""
        old, before = self._serving, self.listeners
        self._serving, self._coming, self._inherited = self._coming, None, ()
        self._observation.promote()
        if old is not None:
            self._let_go(old)
        _close({*before} - {*self.listeners})

    def abandon(self) -> None:
        """Give up what was made for a generation that doesn't come."""
        if self._coming is not None:
            self._let_go(self._coming)
        self._coming = None
        _close({*self._bound} - {*self.listeners})
        self._bound = self.listeners

    # While it serves.

    def look(self, generations: Sequence[Generation], *, stopping: bool, now_s: float) -> None:
        """Show how the server does, and look after the endpoint's process; called at least once a second."""
        for gone in [generation for generation in self._boards if generation not in generations]:
            self._ledger.close(self._boards.pop(gone))
        for generation, board in self._boards.items():
            board.keep_gauges(worker.number for worker in generation.workers.values())
        state = self._observation.look(generations, stopping=stopping)
        if self._page is not None:
            self._page.write(state, now_s)
        for desk in (self._serving, self._coming):
            if desk is not None and desk.process is not None:
                self._look_after(desk, desk.process, now_s)
        self._leaving = [process for process in self._leaving if not _reap(process)]

    def forget(self, served: Generation) -> None:
        """In a child that serves ``served``: close the endpoint's listeners and control sockets, if they aren't its."""
        desks = [desk for desk in (self._serving, self._coming) if desk is not None]
        for listener in {*self._bound, *self.listeners, *(listener for desk in desks for listener in desk.listeners)}:
            if listener.sock not in served.service.listeners:
                listener.sock.close()
        for process in (*(desk.process for desk in desks), *self._leaving):
            if process is not None and process is not served:
                _close_controls(process)

    def retire(self) -> None:
        """Let the endpoint end, and listen no more."""
        self.abandon()
        _close(self.listeners)
        self._inherited = ()
        if self._serving is not None:
            self._let_go(self._serving)
            self._serving = None

    def close(self) -> None:
        """End the endpoint: it may finish a reply, and is killed if it takes too long."""
        self.retire()
        until_s = time.monotonic() + _LAST_WAIT_S
        while self._leaving:
            if time.monotonic() >= until_s:
                for process in self._leaving:
                    process.kill()
            self._leaving = [process for process in self._leaving if not _reap(process)]
            if self._leaving:
                time.sleep(_TICK_S)

    def _spawn(self, desk: _Desk) -> None:
        if self._page is None:
            raise RuntimeError("without a page there is nothing to tell")
        # Not at the top: servers without an endpoint don't pay for it.
        from ktlsserve.admin.endpoint import Endpoint  # noqa: PLC0415 - see above
        from ktlsserve.admin.facts import facts_of  # noqa: PLC0415 - see above

        endpoint = Endpoint(
            self._ledger.copy(),
            self._page,
            facts_of(desk.service),
            Machine(),
            time.monotonic,
            desk.config.http.server_header.encode("ascii"),
        )
        service = replace(
            desk.service,
            listeners=tuple(listener.sock for listener in desk.listeners),
            # None of their files is opened; but sites may have the worker start threads for theirs.
            sites=Sites(replace(desk.service.sites.default, etags=None)),
            tls=None,
            timeouts=_TIMEOUTS,
            limits=replace(
                desk.service.limits,
                connections=_CONNECTIONS,
                connections_per_client=0,
                requests_per_connection=0,
                requests_per_second=0,
            ),
            files=replace(desk.service.files, read_threads=0),
            drain_s=_DRAIN_S,
            drain_pause_s=0.0,
            access_log=None,
            redirect_listeners=(),
            redirect=None,
            # Nobody speaks for others there.
            proxy_sources=None,
            forwarded_from=None,
            answer=endpoint.answer,
            # For tls_stat.
            confinement=replace(desk.service.confinement, readable=("/proc/self/net",)),
        )
        process = Generation(service, 1, name="admin")
        process.spawn(time.monotonic(), partial(self._forget, process))
        desk.process = process

    def _look_after(self, desk: _Desk, process: Generation, now_s: float) -> None:
        """Replace a process that has ended."""
        if process.workers:
            how = _reap(process)
            if not how:
                return
            logger.error("the admin endpoint's process ended: %s; it is replaced after %g s", how, _PAUSE_S)
            desk.due_s = now_s + _PAUSE_S
        if now_s >= desk.due_s:
            try:
                self._spawn(desk)
            except OSError as error:
                logger.error("can't fork the admin endpoint: %s; tried again", error.strerror)  # noqa: TRY400 - no bug
                desk.due_s = now_s + _PAUSE_S

    def _let_go(self, desk: _Desk) -> None:
        if desk.process is not None:
            desk.process.drain()
            self._leaving.append(desk.process)
            desk.process = None


def _reap(process: Generation) -> str:
    """Return how the one worker of ``process`` ended, and forget it; empty while it runs."""
    for worker in list(process.workers.values()):
        pid, status = os.waitpid(worker.pid, os.WNOHANG)
        if not pid:
            return ""
        if worker.control is not None:
            worker.control.close()
        del process.workers[worker.pid]
        return exit_description(status)
    return "ended before"


def _close(listeners: Iterable[Listener]) -> None:
    for listener in listeners:
        listener.sock.close()


def _close_controls(process: Generation) -> None:
    for worker in process.workers.values():
        if worker.control is not None:
            worker.control.close()
