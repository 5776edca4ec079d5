"""The parent process: keeps the workers, and turns signals into what happens to them.

One loop waits for signals, for what the workers say and for the next moment at which something is due. What is done
then is in modules of its own: generations (``succession``), workers that hang (``heartbeat``), renewed certificates
(``certificate_watch``), the course of a stop (``stopping``), another program on the same sockets (``upgrading``), and
what the service manager is told (``notify``).
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections.abc import Callable

from ktlsserve.config import Config
from ktlsserve.config.file import reload_config
from ktlsserve.errors import KtlsServeError, StartupError
from ktlsserve.supervisor.announcement import Announcement
from ktlsserve.supervisor.heartbeat import Heartbeat
from ktlsserve.supervisor.inherited import Inherited
from ktlsserve.supervisor.notify import Notifier
from ktlsserve.supervisor.pid_file import PidFile
from ktlsserve.supervisor.signals import SignalQueue, exit_description
from ktlsserve.supervisor.stopping import Stopping
from ktlsserve.supervisor.succession import Made, Succession
from ktlsserve.supervisor.upgrading import Successor

logger = logging.getLogger(__name__)

# Between a worker's death and a look at its successor, and for everything else that has no moment of its own.
_TICK_S = 0.1
_IDLE_TICK_S = 1.0


class Supervisor:
    """Runs the server from the first bind to the last worker's end."""

    def __init__(self, config: Config, inherited: Inherited | None = None) -> None:
        self._config = config
        self._inherited = inherited or Inherited()
        self._succession = Succession(self._inherited, self._forget_in_child)
        self._heartbeat = Heartbeat()
        self._stopping = Stopping()
        self._notifier = Notifier(os.environ)
        self._announcement = Announcement()
        self._pid_file = PidFile()
        self._successor: Successor | None = None
        self._reload_wanted = False
        self._serves = False
        self._signals = SignalQueue()

    def run(self) -> int:
        """Serve until told to stop; return the exit status. Raises StartupError where the server can't start."""
        succession = self._succession
        try:
            succession.prepare(self._config)
            while succession.generations():
                self._wait()
                for number in self._signals.take():
                    self._act_on(number)
                self._reap()
                self._look_around(time.monotonic())
            return succession.exit_status
        finally:
            succession.kill()
            succession.close_listeners()
            succession.admin.close()
            if self._successor is not None:
                self._successor.kill()
                self._successor.close()
            self._pid_file.remove()
            self._signals.close()

    def _forget_in_child(self) -> None:
        self._signals.forget()
        if self._successor is not None:
            self._successor.close()
        if self._inherited.announce_fd >= 0:
            os.close(self._inherited.announce_fd)

    # The loop.

    def _wait(self) -> None:
        """Sleep until a signal, a worker's word, the successor's, or the next thing to look after."""
        listens: dict[int, Callable[[], None]] = {
            worker.control.fileno(): worker.listen
            for worker in self._succession.workers()
            if worker.control is not None
        }
        poll = select.poll()
        for fd in (self._signals.fileno(), *listens):
            poll.register(fd, select.POLLIN)
        if self._successor is not None:
            poll.register(self._successor.fileno(), select.POLLIN)
        busy = self._stopping.begun or self._succession.unsettled or self._is_killing()
        tick_s = _TICK_S if busy else _IDLE_TICK_S
        due_s = min(self._heartbeat.due_s, self._notifier.due_s, self._stopping.accept_until_s) - time.monotonic()
        for fd, _ in poll.poll(1000 * max(0.0, min(tick_s, due_s))):
            if fd in listens:
                listens[fd]()

    def _act_on(self, number: signal.Signals) -> None:
        if number is signal.SIGHUP:
            self._reload()
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._stop(number)
        elif number is signal.SIGUSR1:
            for generation in self._succession.generations():
                generation.reopen_log()
            logger.info("the access log is reopened")
        elif number is signal.SIGUSR2:
            self._upgrade()

    def _reap(self) -> None:
        """Take notice of workers that have ended."""
        for worker in list(self._succession.workers()):
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                # What it said last: that it serves, perhaps.
                worker.listen()
                self._succession.note_end(worker, exit_description(status))

    def _look_around(self, now_s: float) -> None:
        """Do whatever is due."""
        succession = self._succession
        promoted = succession.promote()
        if promoted is not None:
            self._note_promoted(*promoted)
        if self._reload_wanted:
            self._reload()
        self._watch_certificates(now_s)
        succession.replace_lost(now_s)
        serving = succession.serving
        self._heartbeat.look(succession.workers(), (serving.config if serving else self._config).server.hang_s, now_s)
        for worker in succession.workers():
            if worker.kill_s is not None and now_s >= worker.kill_s:
                os.kill(worker.pid, signal.SIGKILL)
        if self._successor is not None:
            self._look_after(self._successor, now_s)
        self._notifier.beat(now_s)
        if self._stopping.stop_accepting(now_s):
            succession.close_listeners()
        if now_s >= self._stopping.kill_s:
            succession.kill()
        succession.admin.look(succession.generations(), stopping=self._stopping.begun, now_s=now_s)

    # Reload.

    def _note_promoted(self, made: Made, drain: int) -> None:
        """Tell everybody who waits for it that a generation serves; ``drain`` workers of the one before finish."""
        self._config = made.config
        # It may be that hang_s is another.
        self._heartbeat = Heartbeat()
        self._pid_file.write(made.config.server.pid_file)
        self._announcement.announce(made.config, made.generation, made.listeners, self._succession.admin.listeners)
        self._notifier.ready(f"serving with {made.generation.wanted} workers")
        self._inherited = self._inherited.announce()
        if self._serves:
            logger.info("%d workers serve with the new configuration; %d drain", made.generation.wanted, drain)
        self._serves = True

    def _reload(self) -> None:
        """Start a generation with the configuration and certificates as they are now; once, if one is starting."""
        self._reload_wanted = self._succession.coming is not None
        if self._reload_wanted or self._succession.serving is None:
            return
        logger.info("reloading")
        self._prepare(lambda: reload_config(self._config))

    def _watch_certificates(self, now_s: float) -> None:
        """Start a generation with renewed certificates; what else is new on the disk waits to be asked for."""
        serving = self._succession.serving
        if serving is not None and self._succession.coming is None and serving.watch.look(now_s):
            logger.info("files of certificates or ticket keys have changed: reloading them")
            self._prepare(lambda: self._config)

    def _prepare(self, configuration: Callable[[], Config]) -> None:
        self._notifier.reloading()
        try:
            self._succession.prepare(configuration())
        except KtlsServeError as error:
            logger.error("reload failed, the old configuration stays: %s", error)  # noqa: TRY400 - for the operator
            self._notifier.ready("serving with the old configuration: the new one can't be served")

    # Upgrade.

    def _upgrade(self) -> None:
        """Start the program anew on the same sockets, beside this one."""
        if self._succession.serving is None or self._succession.coming is not None or self._successor is not None:
            logger.warning("SIGUSR2: not now, the server is starting, reloading, upgrading or stopping")
            return
        if os.getpid() == 1:
            # The kernel would end the successor with it (pid_namespaces(7)).
            logger.warning("SIGUSR2: not in a container, which ends with its first process: start a new container")
            return
        try:
            succession = self._succession
            self._successor = Successor(
                succession.listeners, self._inherited, time.monotonic(), succession.admin.listeners
            )
        except StartupError as error:
            logger.error("upgrade failed, this program goes on: %s", error)  # noqa: TRY400 - for the operator
            return
        logger.info("upgrading: process %d starts on the same sockets", self._successor.pid)

    def _look_after(self, successor: Successor, now_s: float) -> None:
        """Leave the field to a successor that serves, or go on where it failed."""
        if successor.serves():
            logger.info("process %d serves; this one drains", successor.pid)
            self._notifier.ready("upgraded", successor.pid)
            self._succession.retire()
        else:
            failure = successor.failure(now_s)
            if failure is None:
                return
            logger.error("upgrade failed, this program goes on: %s", failure)
        successor.close()
        self._successor = None

    # Stop.

    def _stop(self, number: signal.Signals) -> None:
        now_s = time.monotonic()
        if self._stopping.begun:
            logger.warning("%s again: ending at once", number.name)
            self._stopping.hurry(now_s)
            return
        server = self._config.server
        # Ctrl-C is a person, who wants the prompt back; with no pause nobody is told before the listeners close.
        pause_s = server.drain_pause_s if number is signal.SIGTERM and self._succession.serving is not None else 0.0
        if self._successor is not None:
            self._successor.kill()
        self._stopping.begin(now_s, server.drain_s, pause_s)
        if pause_s:
            logger.info("%s: accepting for %g s more, draining for up to %g s", number.name, pause_s, server.drain_s)
            self._succession.stop()
        else:
            logger.info("%s: draining for up to %g s", number.name, server.drain_s)
            self._succession.dismiss()
        self._notifier.stopping(f"draining for up to {server.drain_s:g} s")

    def _is_killing(self) -> bool:
        return any(worker.kill_s is not None for worker in self._succession.workers())
