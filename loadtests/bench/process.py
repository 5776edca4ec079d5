"""A server's process: started, waited for until it answers, and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from loadtests.bench import procfs
from loadtests.bench.errors import RunFailed
from loadtests.bench.launch import Launch

# On an emulated processor of a busy machine Python alone needs more than a minute. One that ends is noticed at once.
_START_LIMIT_S = 180.0
_STOP_LIMIT_S = 10.0
_POLL_S = 0.02
_LOG_LINES = 5


class ServerProcess:
    """Runs from construction on until ``stop``; ``log`` in its ``folder`` has all that it writes.

    Raises RunFailed where there is no such program.
    """

    def __init__(self, name: str, launch: Launch, folder: Path) -> None:
        self._name = name
        self.log = folder / "server.log"
        with self.log.open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    launch.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **launch.environment},
                    cwd=folder,
                )
            except OSError as error:
                raise RunFailed(f"{name} can't be started: {launch.command[0]}: {error.strerror}") from error

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self._process.pid

    def pids(self) -> list[int]:
        """Return its processes; raises RunFailed if it has ended."""
        if self._process.poll() is not None:
            raise RunFailed(f"{self._name} ended with status {self._process.returncode}: {self.last_words()}")
        return procfs.process_tree(self._process.pid)

    def wait(self, limit_s: float | None = None) -> int:
        """Wait until it ends by itself, and return its exit status; raises TimeoutExpired once the limit has passed."""
        return self._process.wait(limit_s)

    def last_words(self) -> str:
        """Return the end of what it wrote, in one line."""
        return " | ".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])

    def wait_until(self, check: Callable[[], None]) -> None:
        """Check until that doesn't raise RunFailed; raises it with the server's last words where it goes on to."""
        begin_s = time.monotonic()
        while True:
            waited_s = time.monotonic() - begin_s
            self.pids()
            try:
                return check()
            except RunFailed as error:
                if waited_s > _START_LIMIT_S:
                    raise RunFailed(f"{self._name} doesn't serve: {error}; its log: {self.last_words()}") from error
            # Where both share a slow processor, asking too often holds up what is waited for.
            time.sleep(max(_POLL_S, waited_s / 10))

    def stop(self) -> None:
        """End it: by SIGTERM, and what is left of its processes then, or after a while, by SIGKILL."""
        if self._process.poll() is not None:
            return
        with ExitStack() as stack:
            # Descriptors, for the number of one that has ended may be another's soon.
            descriptors = []
            for pid in procfs.process_tree(self._process.pid):
                with suppress(ProcessLookupError):
                    descriptors.append(os.pidfd_open(pid))
                    stack.callback(os.close, descriptors[-1])
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_LIMIT_S)
            for descriptor in descriptors:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            self._process.wait()
