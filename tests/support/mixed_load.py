"""Ordinary clients and bad ones in a seeded order: what half an hour brings a server, without the pauses between."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable

from tests.support.corpus import Response
from tests.support.downloads import HELLO, LARGE_BYTES, SMALL_BUFFER_BYTES
from tests.support.server import Server
from tests.support.wire import Wire, dialer, request

# How many that read slowly are there at a time.
_SLOW_READERS = 8
# So few that what is kept of them is kept soon: what grows then is no cache.
_NAMES = 200
_RANGES = ("0-99", "-100", "1000-1999,5-6,0-0", "100-200,150-160", f"{LARGE_BYTES}-", "0-0,-1")


class MixedLoad:
    """Clients of ``server``, which serves ``make_download_root``; the same ``seed`` gives the same clients.

    ``requests`` is how many they have made, ``kinds`` how many clients of each kind there were.
    """

    def __init__(self, server: Server, seed: int) -> None:
        self.requests = 0
        self.kinds: Counter[str] = Counter()
        self._numbers = random.Random(seed)
        self._dial = dialer(server)
        self._dial_slowly = dialer(server, receive_buffer_bytes=SMALL_BUFFER_BYTES)
        self._slow: deque[Wire] = deque()
        self._clients: dict[Callable[[], None], int] = {
            self._browse: 30,
            self._ask_once: 20,
            self._pipeline: 4,
            self._ask_for_ranges: 12,
            self._leave_a_download: 8,
            self._vanish: 8,
            self._send_half_a_request: 8,
            self._say_nothing: 4,
            self._send_nonsense: 2,
            self._read_slowly: 8,
        }

    def run(self, requests: int) -> None:
        """Have clients of all kinds until they have made so many requests more, and all of them leave."""
        wanted = self.requests + requests
        clients, weights = list(self._clients), list(self._clients.values())
        while self.requests < wanted:
            (client,) = self._numbers.choices(clients, weights)
            self.kinds[client.__name__] += 1
            client()
        while self._slow:
            self._slow.popleft().close()

    def _ask(self, wire: Wire, path: str, status: int, *fields: str, method: str = "GET") -> Response:
        self.requests += 1
        reply = wire.get(path, *fields, method=method)
        assert reply.status == status, (path, fields, reply.status)
        return reply

    def _browse(self) -> None:
        """Ask for this and that on a connection that is kept."""
        with self._dial() as wire:
            tag = self._ask(wire, "/hello.txt", 200).values(b"ETag")[0].decode()
            for _ in range(self._numbers.randrange(40)):
                match self._numbers.randrange(5):
                    case 0:
                        self._ask(wire, "/hello.txt", 304, f"If-None-Match: {tag}")
                    case 1:
                        self._ask(wire, f"/missing-{self._numbers.randrange(_NAMES)}", 404)
                    case 2:
                        self._ask(wire, "/large.bin", 200, method="HEAD")
                    case 3:
                        name = self._numbers.randrange(_NAMES)
                        assert self._ask(wire, "/hello.txt", 200, f"X-Request-Id: {name}").body == HELLO
                    case _:
                        assert self._ask(wire, "/hello.txt", 200).body == HELLO

    def _ask_once(self) -> None:
        with self._dial() as wire:
            assert self._ask(wire, "/hello.txt", 200, "Connection: close").body == HELLO
            assert wire.read_to_end() == b""
            assert wire.end is wire.orderly

    def _pipeline(self) -> None:
        count = self._numbers.randrange(1, 60)
        self.requests += count
        with self._dial() as wire:
            wire.send(request("/hello.txt") * count)
            wire.half_close()
            assert wire.read_to_end().count(HELLO) == count

    def _ask_for_ranges(self) -> None:
        with self._dial() as wire:
            for _ in range(self._numbers.randrange(1, 8)):
                ranges = self._numbers.choice(_RANGES)
                self._ask(
                    wire, "/large.bin", 416 if ranges.startswith(str(LARGE_BYTES)) else 206, f"Range: bytes={ranges}"
                )

    def _leave_a_download(self) -> None:
        """Take a part of it, and leave by FIN or RST."""
        self.requests += 1
        with self._dial_slowly() as wire:
            wire.send(request("/large.bin"))
            for _ in range(self._numbers.randrange(6)):
                assert wire.receive()
            if self._numbers.randrange(2):
                wire.reset()

    def _vanish(self) -> None:
        """Ask for a lot, and be gone before the answer."""
        count = self._numbers.randrange(1, 20)
        self.requests += count
        wire = self._dial()
        wire.send(request(self._numbers.choice(("/hello.txt", "/large.bin"))) * count)
        wire.reset()

    def _send_half_a_request(self) -> None:
        self.requests += 1
        with self._dial() as wire:
            head = request("/hello.txt")
            wire.send(head[: self._numbers.randrange(1, len(head))])
            if self._numbers.randrange(2):
                wire.reset()

    def _say_nothing(self) -> None:
        wire = self._dial()
        if self._numbers.randrange(2):
            wire.reset()
        wire.close()

    def _send_nonsense(self) -> None:
        self.requests += 1
        with self._dial() as wire:
            wire.send(b"\x00" + self._numbers.randbytes(30).replace(b"\n", b"") + b"\r\n\r\n")
            assert wire.responses(1)[0].status == 400

    def _read_slowly(self) -> None:
        """Begin to read slowly, while those who do so already take a little more; the first of them leaves."""
        self.requests += 1
        wire = self._dial_slowly()
        self._slow.append(wire)
        wire.send(request("/large.bin"))
        for slow in self._slow:
            assert slow.sock.recv(1000)
        if len(self._slow) > _SLOW_READERS:
            self._slow.popleft().close()
