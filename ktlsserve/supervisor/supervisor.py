"""The parent process: keeps the workers, and turns signals into what happens to them.

A generation of workers serves with what it was forked with, for all its life. A reload assembles a new service, forks a
new generation, and only when all of that one is ready tells the old one to drain: a configuration that can't be
assembled, or a generation that can't boot, leaves everything as it was.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import time
from functools import partial

from ktlsserve.config import Config
from ktlsserve.config.file import reload_config
from ktlsserve.cpus import usable_cpus
from ktlsserve.errors import EXIT_OK, EXIT_STARTUP, KtlsServeError, StartupError
from ktlsserve.observe.logs import configure_logs
from ktlsserve.supervisor.assembly import assemble
from ktlsserve.supervisor.generation import Generation, WorkerProcess
from ktlsserve.supervisor.listeners import Listener, bind_all
from ktlsserve.supervisor.signals import SignalQueue, exit_description

logger = logging.getLogger(__name__)

# After drain_s the workers abort what is left by themselves; whoever is still there a moment later hangs.
_KILL_MARGIN_S = 2.0
# A worker that lived longer than this has served; one that dies sooner is given longer and longer pauses.
_SETTLED_S = 10.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
# Between a worker's death and a look at its successor, and for everything else that has no descriptor to wait for.
_TICK_S = 0.1
_IDLE_TICK_S = 1.0


class Supervisor:
    """Runs the server from the first bind to the last worker's end."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._listeners: tuple[Listener, ...] = ()
        self._current: Generation | None = None
        self._coming: Generation | None = None
        self._coming_config: Config | None = None
        self._coming_listeners: tuple[Listener, ...] = ()
        self._leaving: list[Generation] = []
        self._announced: set[str] = set()
        self._pause_s = 0.0
        self._spawn_at_s = 0.0
        self._stop_by_s: float | None = None
        self._exit_status = EXIT_OK
        self._reload_wanted = False
        self._signals = SignalQueue()

    def run(self) -> int:
        """Serve until told to stop; return the exit status. Raises StartupError where the server can't start."""
        try:
            self._prepare(self._config)
            while self._generations():
                self._wait()
                for number in self._signals.take():
                    self._act_on(number)
                self._reap()
                self._promote()
                if self._reload_wanted:
                    self._reload()
                self._replace_lost()
                self._enforce_stop()
            return self._exit_status
        finally:
            for generation in self._generations():
                generation.kill()
            for listener in self._listeners:
                listener.sock.close()
            self._signals.close()

    # Starting a generation.

    def _prepare(self, config: Config) -> None:
        """Assemble a service and fork its workers; they take over when all are ready."""
        addresses = (*config.server.listen, *config.redirect.listen)
        listeners = bind_all(addresses, self._listeners, config.limits.backlog)
        new = [listener for listener in listeners if listener not in self._listeners]
        try:
            service = assemble(config, listeners)
        except BaseException:
            for listener in new:
                listener.sock.close()
            raise
        # Before the fork: the workers log as their configuration says.
        configure_logs(config.log.level, config.log.format)
        wanted = usable_cpus() if config.server.workers == "auto" else config.server.workers
        # What exists now is shared with the workers for good: collecting it would only copy its pages.
        gc.freeze()
        self._coming = Generation(service, wanted)
        self._coming_config = config
        self._coming_listeners = listeners
        try:
            for _ in range(wanted):
                self._spawn(self._coming)
        except OSError as error:
            reason = f"can't fork workers: {error.strerror}; look at the limits on processes and memory"
            self._abandon(self._coming, reason)
            raise StartupError(reason) from error

    def _spawn(self, generation: Generation) -> None:
        generation.spawn(time.monotonic(), partial(self._forget_in_child, generation))

    def _forget_in_child(self, served: Generation) -> None:
        """Close what a worker of ``served`` has no use for; a listener that lives on in it would take connections."""
        self._signals.forget()
        for listener in (*self._listeners, *self._coming_listeners):
            if listener.sock not in served.service.listeners:
                listener.sock.close()
        for other in (self._current, self._coming):
            if other is not None and other is not served:
                other.service.close()
        for generation in self._generations():
            for worker in generation.workers.values():
                if worker.control is not None:
                    worker.control.close()

    def _promote(self) -> None:
        """Let the coming generation take over once all its workers serve."""
        coming, config = self._coming, self._coming_config
        if coming is None or config is None or self._stop_by_s is not None or not coming.ready:
            return
        old, self._current, self._coming = self._current, coming, None
        dropped = [listener for listener in self._listeners if listener not in self._coming_listeners]
        self._listeners, self._config = self._coming_listeners, config
        for listener in dropped:
            listener.sock.close()
        self._announce(coming)
        if old is not None:
            logger.info("%d workers serve with the new configuration; %d drain", coming.wanted, len(old.workers))
            old.retire()
            old.service.close()
            self._leaving.append(old)

    def _announce(self, generation: Generation) -> None:
        tls = generation.service.tls
        scheme = "http" if tls is None else "https"
        label = "off" if tls is None else tls.plan.label
        served = f"root={self._config.roots()[0]}"
        for listener in self._listeners:
            if listener.bound in self._announced:
                continue
            if listener.sock in generation.service.redirect_listeners:
                _say(f"listening on http://{listener.bound} tls=off workers={generation.wanted} redirect=https")
            else:
                _say(f"listening on {scheme}://{listener.bound} tls={label} workers={generation.wanted} {served}")
        self._announced = {listener.bound for listener in self._listeners}

    # What happens.

    def _wait(self) -> None:
        """Sleep until a signal, a worker's word, or the next thing to look after."""
        controls = [
            worker.control for generation in self._generations() for worker in generation.workers.values()
            if worker.control is not None and not worker.ready
        ]  # fmt: skip
        busy = self._stop_by_s is not None or self._coming is not None or self._lacking()
        watched = {self._signals.fileno(), *(control.fileno() for control in controls)}
        readable, _, _ = select.select(watched, [], [], _TICK_S if busy else _IDLE_TICK_S)
        for generation in self._generations():
            for worker in generation.workers.values():
                if worker.control is not None and worker.control.fileno() in readable:
                    _note_ready(worker)

    def _act_on(self, number: signal.Signals) -> None:
        if number is signal.SIGHUP:
            self._reload()
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._stop(number)

    def _reload(self) -> None:
        """Start a generation with the configuration and certificates as they are now; once, if one is starting."""
        self._reload_wanted = self._coming is not None
        if self._reload_wanted or self._stop_by_s is not None:
            return
        logger.info("reloading")
        try:
            self._prepare(reload_config(self._config))
        except KtlsServeError as error:
            logger.error("reload failed, the old configuration stays: %s", error)  # noqa: TRY400 - for the operator

    def _stop(self, number: signal.Signals) -> None:
        if self._stop_by_s is not None:
            logger.warning("%s again: ending at once", number.name)
            self._stop_by_s = 0.0
            return
        logger.info("%s: draining for up to %g s", number.name, self._config.server.drain_s)
        self._stop_by_s = time.monotonic() + self._config.server.drain_s + _KILL_MARGIN_S
        for generation in self._generations():
            generation.drain()
        # While any process holds a listener, the kernel completes connections that nobody will serve.
        for listener in (*self._listeners, *self._coming_listeners):
            listener.sock.close()

    def _enforce_stop(self) -> None:
        if self._stop_by_s is not None and time.monotonic() >= self._stop_by_s:
            for generation in self._generations():
                generation.kill()

    # Workers that end.

    def _reap(self) -> None:
        for generation in self._generations():
            for worker in list(generation.workers.values()):
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    del generation.workers[pid]
                    if worker.control is not None:
                        worker.control.close()
                    self._note_end(generation, worker, status)
        self._leaving = [generation for generation in self._leaving if generation.workers]
        if self._stop_by_s is not None:
            self._current = self._current if self._current and self._current.workers else None
            self._coming = self._coming if self._coming and self._coming.workers else None

    def _note_end(self, generation: Generation, worker: WorkerProcess, status: int) -> None:
        if not generation.wanted:
            return
        how = exit_description(status)
        if generation is self._coming:
            self._abandon(generation, f"worker {worker.pid} did not boot: {how}")
            return
        lived_s = time.monotonic() - worker.started_s
        if lived_s >= _SETTLED_S:
            self._pause_s = 0.0
        logger.error("worker %d ended: %s; it is replaced after %g s", worker.pid, how, self._pause_s)
        self._spawn_at_s = time.monotonic() + self._pause_s
        self._pause_s = min(max(_FIRST_PAUSE_S, 2 * self._pause_s), _LONGEST_PAUSE_S)

    def _abandon(self, generation: Generation, reason: str) -> None:
        """Give a generation up that can't boot: the old one goes on, or the server ends if there is none."""
        generation.drain()
        generation.service.close()
        self._leaving.append(generation)
        self._coming = None
        for listener in self._coming_listeners:
            if listener not in self._listeners:
                listener.sock.close()
        if self._current is None:
            logger.error("the server can't start: %s", reason)
            self._exit_status = EXIT_STARTUP
        else:
            configure_logs(self._config.log.level, self._config.log.format)
            logger.error("reload failed, the old workers go on: %s", reason)

    def _lacking(self) -> bool:
        current = self._current
        return current is not None and len(current.workers) < current.wanted

    def _replace_lost(self) -> None:
        current = self._current
        if current is None or not self._lacking() or time.monotonic() < self._spawn_at_s:
            return
        try:
            while len(current.workers) < current.wanted:
                self._spawn(current)
        except OSError as error:
            logger.error("can't fork a worker: %s; tried again", error.strerror)  # noqa: TRY400 - no bug
            self._spawn_at_s = time.monotonic() + _LONGEST_PAUSE_S

    def _generations(self) -> list[Generation]:
        return [generation for generation in (self._current, self._coming, *self._leaving) if generation is not None]


def _say(line: str) -> None:
    """Print a line for whoever started the server; that nobody reads it any more is no reason to stop."""
    try:
        print(line, flush=True)
    except OSError as error:
        logger.info("%s (standard output: %s)", line, error.strerror)


def _note_ready(worker: WorkerProcess) -> None:
    if worker.control is None:
        return
    try:
        worker.ready = bool(worker.control.recv(1))
    except BlockingIOError:
        return
