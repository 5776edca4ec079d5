"""Servers started by a fork server, and what a test needs of their processes: see ``tests.support.fork_server``."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

_MOST_BYTES = 1 << 17
_POLL_S = 0.01


class ForkServer:
    """The side of the tests: ``start`` takes what ``Server`` has, and returns what it needs of a Popen object."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )
        self._channel = ours
        self._lock = threading.Lock()
        self._statuses: dict[int, int] = {}

    def close(self) -> None:
        """End the fork server; what it has started goes on."""
        self._channel.close()
        self._process.wait()

    def start(
        self, program: Sequence[str], environment: Mapping[str, str], stdout: BinaryIO, stderr: BinaryIO
    ) -> ForkedProcess:
        """Start a program with the streams and the environment given; ``program`` are arguments that Python would get.

        Only those of the program itself and of its mutants are known: the mutant's name, or nothing, and then its own.
        """
        request = {"program": list(program), "environment": dict(environment), "folder": str(Path.cwd())}
        with self._lock:
            fds = [stdout.fileno(), stderr.fileno()]
            socket.send_fds(self._channel, [json.dumps(request).encode()], fds)
            while True:
                message = self._receive()
                if "started" in message:
                    return ForkedProcess(self, message["started"])

    def status(self, pid: int) -> int | None:
        """Return the exit status of a process that has ended, as Popen gives it."""
        with self._lock:
            while pid not in self._statuses and select.select([self._channel], [], [], 0)[0]:
                self._receive()
            return self._statuses.get(pid)

    def _receive(self) -> dict[str, int]:
        data = self._channel.recv(_MOST_BYTES)
        if not data:
            raise AssertionError(f"the fork server ended with status {self._process.wait()}")
        message: dict[str, int] = json.loads(data)
        if "ended" in message:
            self._statuses[message["ended"]] = message["status"]
        return message


class ForkedProcess:
    """A process that the fork server has started, with the part of Popen's interface that ``Server`` uses."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self._server = server
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        if self.returncode is None:
            self.returncode = self._server.status(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status; raise TimeoutExpired as Popen does."""
        end_s = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if end_s is not None and time.monotonic() >= end_s:
                raise subprocess.TimeoutExpired("ktlsserve", timeout or 0.0)
            time.sleep(_POLL_S)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process at once."""
        self.send_signal(signal.SIGKILL)
