"""libcurl for the plain clients here: one handle is one connection, over the protocol that is meant and no other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pycurl

from loadtests.baselines import Protocol
from loadtests.baselines.asking import CURL_HTTP_VERSION_3ONLY
from loadtests.bench.errors import RunFailed

# An emulated machine takes seconds for what takes milliseconds elsewhere.
_LIMIT_MS = 300_000
_WANTED = {Protocol.HTTP_1_1: pycurl.CURL_HTTP_VERSION_1_1, Protocol.HTTP_3: CURL_HTTP_VERSION_3ONLY}
_SPOKEN = {Protocol.HTTP_1_1: pycurl.CURL_HTTP_VERSION_1_1, Protocol.HTTP_3: pycurl.CURL_HTTP_VERSION_3}


class Connection:
    """One connection, opened by the first request and kept; ``opened`` counts how often it had to be opened."""

    def __init__(self, protocol: Protocol, ca: Path) -> None:
        self.opened = 0
        self._protocol = protocol
        self._handle = pycurl.Curl()
        self._handle.setopt(pycurl.HTTP_VERSION, _WANTED[protocol])
        self._handle.setopt(pycurl.CAINFO, str(ca))
        self._handle.setopt(pycurl.PROXY, "")
        self._handle.setopt(pycurl.NOSIGNAL, 1)
        self._handle.setopt(pycurl.TIMEOUT_MS, _LIMIT_MS)

    def fetch(self, url: str) -> tuple[int, str]:
        """Return length and SHA-256 of a file; raises RunFailed unless it came whole, as a 200, by the protocol."""
        digest = hashlib.sha256()
        length = 0

        def receive(piece: bytes) -> None:
            nonlocal length
            length += len(piece)
            digest.update(piece)

        self._perform(url, receive)
        return length, digest.hexdigest()

    def _perform(self, url: str, receive: Callable[[bytes], None]) -> None:
        self._handle.setopt(pycurl.URL, url)
        self._handle.setopt(pycurl.WRITEFUNCTION, receive)
        try:
            self._handle.perform()
        except pycurl.error as error:
            raise RunFailed(f"GET {url}: {error.args[-1]}") from error
        self.opened += self._handle.getinfo(pycurl.NUM_CONNECTS)
        if self._handle.getinfo(pycurl.INFO_HTTP_VERSION) != _SPOKEN[self._protocol]:
            raise RunFailed(f"GET {url}: not answered by {self._protocol}")
        if self._handle.getinfo(pycurl.RESPONSE_CODE) != 200:
            raise RunFailed(f"GET {url}: status {self._handle.getinfo(pycurl.RESPONSE_CODE)}")
