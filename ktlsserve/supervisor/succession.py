"""One generation of workers after another, and what each was made from.

A generation serves with what it was forked with, for all its life. A new one is assembled from a configuration, forked,
and takes over only when all of it is ready; then the old one retires. A configuration that can't be assembled, or a
generation that can't boot, leaves everything as it was.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from ktlsserve.config import Config
from ktlsserve.cpus import usable_cpus, worker_cpus
from ktlsserve.errors import EXIT_BUG, EXIT_OK, EXIT_STARTUP, StartupError
from ktlsserve.observe.logs import configure_logs
from ktlsserve.supervisor.admin import Admin
from ktlsserve.supervisor.assembly import assemble
from ktlsserve.supervisor.certificate_watch import CertificateWatch
from ktlsserve.supervisor.generation import Generation, WorkerProcess
from ktlsserve.supervisor.inherited import Inherited
from ktlsserve.supervisor.listeners import Listener, bind_all
from ktlsserve.supervisor.replacing import Replacement

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """A generation and what it was made from."""

    generation: Generation
    config: Config
    listeners: tuple[Listener, ...]
    watch: CertificateWatch


class Succession:
    """The generations: the one that serves, the one that is coming, and those that leave.

    ``forget`` closes in a forked child what else only the supervisor may hold. ``exit_status`` is what the server ends
    with once no generation is left. ``admin`` looks after the admin endpoint.
    """

    def __init__(self, inherited: Inherited, forget: Callable[[], None]) -> None:
        self.listeners = inherited.listeners
        self.serving: Made | None = None
        self.coming: Made | None = None
        self.exit_status = EXIT_OK
        self._inherited = inherited
        self._leaving: list[Generation] = []
        self._replacement = Replacement()
        self._forget = forget
        self.admin = Admin(inherited.admin, self._forget_in_child)

    def generations(self) -> list[Generation]:
        """Return all of them."""
        made = [made.generation for made in (self.serving, self.coming) if made is not None]
        return [*made, *self._leaving]

    def workers(self) -> Iterator[WorkerProcess]:
        """Yield the workers of all generations."""
        for generation in self.generations():
            yield from generation.workers.values()

    # A new generation.

    def prepare(self, config: Config) -> None:
        """Assemble a service and fork its workers; raises StartupError and its kinds, and has then changed nothing."""
        config = self._inherited.applied_to(config)
        watch = CertificateWatch(config.tls, time.monotonic())
        cpus = worker_cpus(config.server.cpu_affinity)
        addresses = (*config.server.listen, *config.redirect.listen)
        listeners = bind_all(addresses, self.listeners, config.limits.backlog)
        new = [listener for listener in listeners if listener not in self.listeners]
        try:
            self.admin.bind(config)
            service = assemble(config, listeners)
        except BaseException:
            self.admin.abandon()
            for listener in new:
                listener.sock.close()
            raise
        # Before the fork: the workers log as their configuration says.
        configure_logs(config.log.level, config.log.format)
        wanted = usable_cpus() if config.server.workers == "auto" else config.server.workers
        # What exists now is shared with the workers for good: collecting it would only copy its pages.
        gc.freeze()
        generation = Generation(service, wanted, cpus, self.admin.observe(service, wanted))
        self.coming = Made(generation, config, listeners, watch)
        try:
            for _ in range(wanted):
                self._spawn(generation)
            self.admin.open(config, generation)
        except OSError as error:
            reason = f"can't fork workers: {error.strerror}; look at the limits on processes and memory"
            self._abandon(self.coming, reason)
            raise StartupError(reason) from error

    def promote(self) -> tuple[Made, int] | None:
        """Let the coming generation take over once all its workers serve; return it then, and how many others drain."""
        coming, old = self.coming, self.serving
        if coming is None or not coming.generation.ready:
            return None
        self.serving, self.coming = coming, None
        dropped = [listener for listener in self.listeners if listener not in coming.listeners]
        self.listeners = coming.listeners
        for listener in dropped:
            listener.sock.close()
        self._replacement = Replacement()
        self.admin.promote()
        drain = 0
        if old is not None:
            drain = len(old.generation.workers)
            self._let_go(old, retire=True)
        return coming, drain

    def _spawn(self, generation: Generation) -> None:
        generation.spawn(time.monotonic(), partial(self._forget_in_child, generation))

    def _forget_in_child(self, served: Generation) -> None:
        """Close what a worker of ``served`` has no use for; a listener that lives on in it would take connections."""
        self._forget()
        self.admin.forget(served)
        for listener in {*self.listeners, *(self.coming.listeners if self.coming is not None else ())}:
            if listener.sock not in served.service.listeners:
                listener.sock.close()
        for made in (self.serving, self.coming):
            if made is not None and made.generation is not served:
                made.generation.service.close()
        for worker in self.workers():
            if worker.control is not None:
                worker.control.close()

    def _abandon(self, made: Made, reason: str) -> None:
        """Give a coming generation up that can't boot: the old one goes on, or the server ends if there is none."""
        self.coming = None
        self.admin.abandon()
        self._let_go(made, retire=False)
        for listener in made.listeners:
            if listener not in self.listeners:
                listener.sock.close()
        if self.serving is None:
            logger.error("the server can't start: %s", reason)
            self.exit_status = EXIT_STARTUP
        else:
            log = self.serving.config.log
            configure_logs(log.level, log.format)
            logger.error("reload failed, the old workers go on: %s", reason)

    def _let_go(self, made: Made, *, retire: bool) -> None:
        if retire:
            made.generation.retire()
        else:
            made.generation.drain()
        made.generation.service.close()
        self._leaving.append(made.generation)

    # Workers that end.

    def note_end(self, worker: WorkerProcess, how: str) -> None:
        """Take notice that a worker has ended; it is replaced, or its generation given up, where that is called for."""
        generation = next(each for each in self.generations() if worker.pid in each.workers)
        del generation.workers[worker.pid]
        if worker.control is not None:
            worker.control.close()
        if self.coming is not None and generation is self.coming.generation:
            self._abandon(self.coming, f"worker {worker.pid} did not boot: {how}")
        elif generation.wanted:
            now_s = time.monotonic()
            pause_s = self._replacement.note_end(now_s - worker.started_s, now_s, served=worker.ready)
            logger.error("worker %d ended: %s; it is replaced after %g s", worker.pid, how, pause_s)
        self._leaving = [generation for generation in self._leaving if generation.workers]

    def replace_lost(self, now_s: float) -> None:
        """Fork successors of workers that ended, or give up where none of them ever serves."""
        if self.serving is None or not self.serving.generation.lacking or now_s < self._replacement.due_s:
            return
        generation = self.serving.generation
        if self._replacement.hopeless and not any(worker.ready for worker in generation.workers.values()):
            logger.error(
                "the server gives up: no worker has come to serve in %d attempts", self._replacement.failed_boots
            )
            self.exit_status = EXIT_BUG
            self.dismiss()
            return
        try:
            while generation.lacking:
                self._spawn(generation)
        except OSError as error:
            logger.error("can't fork a worker: %s; tried again", error.strerror)  # noqa: TRY400 - no bug
            self._replacement.note_failed_fork(now_s)

    @property
    def unsettled(self) -> bool:
        """Whether a worker is coming, or ought to be."""
        return self.coming is not None or (self.serving is not None and self.serving.generation.lacking > 0)

    # The end.

    def retire(self) -> None:
        """Let all workers finish in their own time: another program serves."""
        if self.serving is not None:
            self._let_go(self.serving, retire=True)
            self.serving = None
        self._have_all_leave()
        self.close_listeners()
        # It has an endpoint of its own, on the same sockets.
        self.admin.retire()

    def stop(self) -> None:
        """Let the workers that serve stop, and all others finish at once."""
        for generation in self.generations():
            if self.serving is not None and generation is self.serving.generation:
                generation.stop()
            else:
                generation.drain()
        self._have_all_leave()

    def dismiss(self) -> None:
        """Let all workers finish at once, and accept no more."""
        for generation in self.generations():
            generation.drain()
        self._have_all_leave()
        self.close_listeners()

    def kill(self) -> None:
        """End all workers."""
        for generation in self.generations():
            generation.kill()

    def close_listeners(self) -> None:
        """Stop listening here: while any process holds a listener, the kernel completes connections for it."""
        for listener in self.listeners:
            listener.sock.close()
        self.listeners = ()

    def _have_all_leave(self) -> None:
        """Have every generation leave, so that the server ends with its last worker."""
        for listener in self.coming.listeners if self.coming is not None else ():
            if listener not in self.listeners:
                listener.sock.close()
        made = [made.generation for made in (self.serving, self.coming) if made is not None]
        self.serving = self.coming = None
        self._leaving = [generation for generation in (*made, *self._leaving) if generation.workers]
