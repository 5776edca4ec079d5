"""Clients that ask again and again: what goes wrong is counted, and nothing is asked for twice."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from tests.support.waiting import LIMIT_S, wait_until

_READ_BYTES = 65536
# Clients whom nobody answers would ask as fast as they can, for as long as the test waits.
_MOST_FAILURES = 200


class Failed(Exception):
    """A request got no reply, or not the one that it should get."""


class Load:
    """Asks ``address`` for ``path``, whose content is ``expected``, from the beginning of the block to its end.

    ``kept`` clients keep their connections as long as the server says that they may, ``fresh`` ones make a new one for
    each request; ``context`` None is plain HTTP. With ``sources`` each comes from one of these addresses, in turn.
    ``phase`` is a name for what happens meanwhile: ``requests`` and ``failures`` are counted by it, and ``reasons``
    says what went wrong.
    """

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext | None,
        path: str,
        expected: bytes,
        *,
        kept: int = 8,
        fresh: int = 4,
        sources: Sequence[str] = ("",),
    ) -> None:
        self.phase = "start"
        self.requests: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.reasons: list[str] = []
        self.clients = kept + fresh
        self._address = address
        self._context = context
        self._path = path
        self._expected = expected
        self._sources = sources
        self._over = threading.Event()
        self._lock = threading.Lock()
        keeps = itertools.chain(itertools.repeat(True, kept), itertools.repeat(False, fresh))
        self._begun = [0] * self.clients
        self._threads = [
            threading.Thread(target=self._ask_on, args=(number, keep)) for number, keep in enumerate(keeps)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def finish(self) -> None:
        """Have every client end after its request; they need the server for that."""
        self._over.set()
        for thread in self._threads:
            thread.join(2 * LIMIT_S)

    def enter(self, phase: str, *, requests: int = 0) -> None:
        """Name what happens from now on, and wait until ``requests`` were answered since.

        What was under way before is waited for first: whatever fails from now on fails by what happens from now on.
        """
        begun = list(self._begun)
        self._wait(lambda: all(now > then for now, then in zip(self._begun, begun, strict=True)), "the next requests")
        with self._lock:
            self.phase = phase
        self._wait(lambda: self.requests[phase] >= requests, f"{requests} requests: {phase}")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(lambda: condition() or self._over.is_set(), what)
        assert not self._over.is_set(), "\n".join(["too many failures:", *self.reasons])

    def _ask_on(self, number: int, keep: bool) -> None:
        sock: socket.socket | None = None
        try:
            while not self._over.is_set():
                self._begun[number] += 1
                try:
                    if sock is None:
                        sock = self._connect(self._sources[number % len(self._sources)])
                    stays = self._ask(sock, keep)
                except (OSError, Failed) as error:
                    stays = False
                    with self._lock:
                        self.failures[self.phase] += 1
                        self.reasons.append(f"{self.phase}, {'kept' if keep else 'fresh'}: {error!r}")
                        if len(self.reasons) >= _MOST_FAILURES:
                            self._over.set()
                else:
                    with self._lock:
                        self.requests[self.phase] += 1
                if not stays and sock is not None:
                    sock.close()
                    sock = None
        finally:
            if sock is not None:
                sock.close()

    def _connect(self, source: str) -> socket.socket:
        sock = socket.create_connection(self._address, timeout=LIMIT_S, source_address=(source, 0))
        if self._context is None:
            return sock
        try:
            return self._context.wrap_socket(sock, server_hostname="localhost")
        except BaseException:
            sock.close()
            raise

    def _ask(self, sock: socket.socket, keep: bool) -> bool:
        """Make one request; return whether the connection stays."""
        end = "" if keep else "Connection: close\r\n"
        sock.sendall(f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\n{end}\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more(sock, received)
        head, _, body = received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise Failed(head.partition(b"\r\n")[0])
        while len(body) < len(self._expected):
            body += self._more(sock, received)
        if body != self._expected:
            raise Failed(f"another body of {len(body)} bytes")
        return keep and b"\r\nConnection: close" not in head

    @staticmethod
    def _more(sock: socket.socket, received: bytes) -> bytes:
        data = sock.recv(_READ_BYTES)
        if not data:
            raise Failed(f"the connection ended after {len(received)} bytes of a reply")
        return data
