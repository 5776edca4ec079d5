"""A client that has nothing to do with what others do to the server, and must not notice it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from tests.support.downloads import HELLO
from tests.support.server import Server
from tests.support.wire import dialer

ADDRESS = "127.0.0.9"


class Bystander:
    """Asks from an address of its own: on a connection that it has had since before, and on new ones.

    ``answered`` is how many of its requests were; each of them must be, with the whole of the file.
    """

    def __init__(self, server: Server, address: str = ADDRESS) -> None:
        self.answered = 0
        self._dial = dialer(server, source=address)
        self._kept = self._dial()
        self.require_service(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept.close()

    def require_service(self, connections: int) -> None:
        """Make a request on the old connection and two on a new one, that many times."""
        for _ in range(connections):
            with self._dial() as new:
                for wire in (self._kept, new, new):
                    reply = wire.get("/hello.txt")
                    assert (reply.status, reply.body) == (200, HELLO)
                    self.answered += 1
