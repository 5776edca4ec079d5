"""Reads a server's access log while it is running: what was asked for since the last look."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import LIMIT_S, wait_until


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One reply: what was asked for, by which version of TLS, and what became of it."""

    method: str
    path: str
    status: int
    body_bytes: int
    tls: str | None


class AccessLines:
    """The log of a server with one worker, which writes JSON (``log.access_format``) to ``file``.

    ``address`` is where it listens, with a certificate that ``ca_file`` vouches for.
    """

    def __init__(self, file: Path, address: tuple[str, int], ca_file: Path) -> None:
        self._address = address
        self._ca_file = ca_file
        self._file = file
        self._taken = 0
        self._marks = 0

    def take(self) -> list[AccessLine]:
        """Return the replies since the last call.

        Lines are written late, but in order: all are there when that of a request made here is.
        """
        self._marks += 1
        mark = f"/mark-{self._marks}"
        self._ask(mark)
        wait_until(lambda: any(line.path == mark for line in self._lines()), f"{mark} in the access log")
        lines = self._lines()
        end = [line.path for line in lines].index(mark)
        self._taken += end + 1
        return lines[:end]

    def _lines(self) -> list[AccessLine]:
        complete = self._file.read_bytes().split(b"\n")[:-1]
        return [_access_line(line) for line in complete[self._taken :]]

    def _ask(self, path: str) -> None:
        context = ssl.create_default_context(cafile=str(self._ca_file))
        connection = http.client.HTTPSConnection(*self._address, timeout=LIMIT_S, context=context)
        connection.request("GET", path)
        connection.getresponse().read()
        connection.close()


def _access_line(text: bytes) -> AccessLine:
    entry = json.loads(text)
    method, path, _ = entry["request"].split(" ")
    return AccessLine(method, path, entry["status"], entry["bytes"], entry["tls_version"])
