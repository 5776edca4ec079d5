"""An ``openssl s_client`` that is spoken to while it runs: what it receives is read as slowly as the test likes."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from tests.support.clients import Choice, s_client_command
from tests.support.server import Server
from tests.support.waiting import LIMIT_S

_READ_BYTES = 1 << 14


class SClient:
    """Its commands are lines of one letter: ``k`` and ``K`` send a KeyUpdate, the latter asks for one, ``R``
    renegotiates, ``Q`` quits.

    ``received`` is all that it has received so far. ``errors`` is what it printed otherwise.
    """

    def __init__(self, server: Server, choice: Choice | None = None, options: Sequence[str] = ()) -> None:
        self.received = bytearray()
        self.ended = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(
            [*s_client_command(server, choice), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._stdin.close()
        self._stdout.close()
        self._errors.close()

    @property
    def errors(self) -> str:
        """What it has written to standard error."""
        return os.pread(self._errors.fileno(), 1 << 20, 0).decode(errors="replace")

    def send(self, data: bytes) -> None:
        """Have it send ``data``, which must not begin with a letter that is a command."""
        self._stdin.write(data)

    def command(self, letter: str, *, until: Callable[[], bool] | None = None) -> None:
        """Give a command; then read on until it has been taken, and until ``until`` is true as well."""
        self._stdin.write(f"{letter}\n".encode())
        self.read_until(lambda: self._unread_input() == 0 and (until is None or until()), f"command {letter!r} done")

    def read_until(self, condition: Callable[[], bool], what: str) -> None:
        """Read on, a little at a time, until ``condition`` is true; fail if the stream ends first."""
        give_up_s = time.monotonic() + LIMIT_S
        while not condition():
            assert not self.ended, f"{what}: the connection ended after {len(self.received)} bytes\n{self.errors}"
            assert time.monotonic() < give_up_s, f"{what}: not within {LIMIT_S:g} s\n{self.errors}"
            self._read(wait_s=0.01)

    def read_to_end(self) -> int:
        """Read all that still comes, and return its exit status."""
        while not self.ended:
            assert self._read(wait_s=LIMIT_S), f"nothing came for {LIMIT_S:g} s\n{self.errors}"
        return self.process.wait(LIMIT_S)

    def _read(self, wait_s: float) -> bool:
        if not select.select([self._stdout], [], [], wait_s)[0]:
            return False
        data = os.read(self._stdout.fileno(), _READ_BYTES)
        self.received += data
        self.ended = not data
        return True

    def _unread_input(self) -> int:
        """Return how many bytes of its standard input it hasn't read yet."""
        return int(struct.unpack("i", fcntl.ioctl(self._stdin, termios.FIONREAD, bytes(4)))[0])
