"""One request with libcurl: what is asked, and what came, checked."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import pycurl

from loadtests.users.verdict import PROTOCOLS, Answer, Expected, fault, header

HTTP_1_1 = pycurl.CURL_HTTP_VERSION_1_1
# Not CURL_HTTP_VERSION_3, which falls back to TCP unnoticed.
HTTP_3_ONLY = pycurl.CURL_HTTP_VERSION_3ONLY

# As many bytes as libcurl takes in one call where there are: fewer calls of Python for large files.
_BUFFER_BYTES = 256 * 1024
# The same failure in the same words, however long it took.
_VARYING = re.compile(r" after \d+ (?:ms|milliseconds)| with \d+ (?:out of \d+ )?bytes (?:received|remaining to read)")


class Digest(Protocol):
    """A hash of hashlib."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def hexdigest(self) -> str:
        """Return the hash of all."""


@dataclass(frozen=True, slots=True)
class Target:
    """What all requests of a user have in common.

    ``version`` is how libcurl is told which ``protocol`` to speak.
    """

    base_url: str
    version: int
    protocol: str
    ca: Path
    timeout_s: float
    connect_to: str = ""


@dataclass(frozen=True, slots=True)
class Get:
    """A request. ``digest`` takes the bytes where they are checked, those of earlier pieces first."""

    name: str
    path: str
    expected: Expected
    headers: tuple[str, ...] = ()
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request.

    ``time_ms`` is from the moment when it was made to the last byte, without the handshake where it had to make one:
    that took ``handshake_ms``, of which the first ``connect_ms`` were TCP's (0 over QUIC, which has no such part).
    ``error`` is empty for the right answer, and ``broken`` tells that there was none at all.
    """

    get: Get
    time_ms: float
    length_bytes: int
    protocol: str
    error: str
    broken: bool
    connect_ms: float
    handshake_ms: float
    etag: str


class Transfer:
    """A handle of libcurl, for one request after the other."""

    def __init__(self, target: Target) -> None:
        self.handle = pycurl.Curl()
        self._base_url = target.base_url
        self._get: Get
        self._head: list[bytes] = []
        options = {
            pycurl.HTTP_VERSION: target.version,
            pycurl.TIMEOUT_MS: round(1000 * target.timeout_s),
            pycurl.BUFFERSIZE: _BUFFER_BYTES,
            # Signals are gevent's.
            pycurl.NOSIGNAL: 1,
            # Over HTTP/3 a second request waits for the connection of the first instead of opening another.
            pycurl.PIPEWAIT: int(target.version == HTTP_3_ONLY),
            # A new connection is a visitor's who has none to resume.
            pycurl.SSL_SESSIONID_CACHE: 0,
            # Whatever the environment says of proxies: the server is tested, not they.
            pycurl.NOPROXY: "*",
            pycurl.USERAGENT: "ktlsserve-loadtest",
        }
        for option, value in options.items():
            self.handle.setopt(option, value)
        self.handle.setopt(pycurl.CAINFO, str(target.ca))
        if target.connect_to:
            self.handle.setopt(pycurl.CONNECT_TO, [f"::{target.connect_to}"])

    def prepare(self, get: Get) -> pycurl.Curl:
        """Return the handle, ready for a request."""
        self._get = get
        self._head = []
        self.handle.setopt(pycurl.URL, self._base_url + quote(get.path))
        # An empty list would leave those of the request before.
        self.handle.unsetopt(pycurl.HTTPHEADER)
        if get.headers:
            self.handle.setopt(pycurl.HTTPHEADER, list(get.headers))
        # len() does nothing and says that it took all bytes: libcurl counts them.
        self.handle.setopt(pycurl.WRITEFUNCTION, get.digest.update if get.digest else len)
        self.handle.setopt(pycurl.HEADERFUNCTION, self._head.append)
        return self.handle

    def outcome(self, failure: str) -> Outcome:
        """Tell what became of the request; ``failure`` is why there was no whole answer, as libcurl says it."""
        get, ask = self._get, self.handle.getinfo
        made = ask(pycurl.NUM_CONNECTS) > 0
        ready_us = ask(pycurl.APPCONNECT_TIME_T) if made else 0
        begun_us = ask(pycurl.NAMELOOKUP_TIME_T)
        connected_us = ask(pycurl.CONNECT_TIME_T)
        handshake_us = max(0, ready_us - begun_us) if ready_us else 0
        protocol = PROTOCOLS.get(ask(pycurl.INFO_HTTP_VERSION), "")
        length_bytes = ask(pycurl.SIZE_DOWNLOAD_T)
        return Outcome(
            get,
            (ask(pycurl.TOTAL_TIME_T) - handshake_us) / 1000,
            length_bytes,
            protocol,
            self._error(failure, protocol, length_bytes),
            bool(failure),
            (connected_us - begun_us) / 1000 if handshake_us and get.expected.protocol != "HTTP/3" else 0.0,
            handshake_us / 1000,
            header(self._head, "ETag"),
        )

    def close(self) -> None:
        """Give the handle back."""
        self.handle.close()

    def _error(self, failure: str, protocol: str, length_bytes: int) -> str:
        get = self._get
        if failure:
            reason = _VARYING.sub("", failure)
            return f"no answer over {get.expected.protocol}: {reason}" if not protocol else f"broken off: {reason}"
        answer = Answer(
            protocol,
            self.handle.getinfo(pycurl.RESPONSE_CODE),
            length_bytes,
            get.digest.hexdigest() if get.digest and get.expected.sha256 else "",
            header(self._head, "Content-Range"),
        )
        wrong = fault(get.expected, answer)
        return f"{get.path}: {wrong}" if wrong else ""


def new_digest() -> Digest:
    """Return a hash for the bytes of an answer."""
    return hashlib.sha256()
