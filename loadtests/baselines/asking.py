"""One request with libcurl, over the protocol that is meant and no other.

pycurl's wheels carry a libcurl with HTTP/3 (ngtcp2). It is imported where it is used: what is only listed needs no
client.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import Any

from loadtests.baselines.errors import Missing, Untrusted
from loadtests.bench.errors import RunFailed

# An emulated machine takes seconds for what takes milliseconds elsewhere. Where nobody listens, that is known at once.
_LIMIT_S = 60.0
# CURL_HTTP_VERSION_3ONLY of curl.h, for which pycurl has no name: without it libcurl may fall back to TCP unnoticed.
CURL_HTTP_VERSION_3ONLY = 31


class Protocol(StrEnum):
    """What a baseline speaks."""

    HTTP_1_1 = "http/1.1"
    HTTP_3 = "h3"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: ``fields`` have lower-case names."""

    status: int
    body: bytes
    fields: Mapping[str, str] = field(default_factory=dict)


def missing_client() -> str | None:
    """Say what to install where libcurl's binding isn't there."""
    return None if importlib.util.find_spec("pycurl") else "pycurl isn't installed: pip install 'ktlsserve[loadtest]'"


def ask(
    url: str,
    protocol: Protocol,
    ca: Path,
    *,
    method: str = "GET",
    fields: Mapping[str, str] | None = None,
    limit_s: float = _LIMIT_S,
) -> Answer:
    """Send a request on a connection of its own, the path as it stands in ``url``; only ``ca`` is trusted.

    Raises RunFailed where no whole answer comes, or one by another protocol; Untrusted for a certificate that ``ca``
    doesn't vouch for; Missing without pycurl.
    """
    reason = missing_client()
    if reason:
        raise Missing(reason)
    import pycurl  # noqa: PLC0415 - see the module's docstring

    body, lines = BytesIO(), list[str]()
    handle = pycurl.Curl()
    try:
        _set_up(handle, pycurl, protocol)
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.TIMEOUT_MS, int(limit_s * 1000))
        handle.setopt(pycurl.CAINFO, str(ca))
        handle.setopt(pycurl.NOBODY, method == "HEAD")
        if method != "HEAD":
            handle.setopt(pycurl.CUSTOMREQUEST, method)
        handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in (fields or {}).items()])
        handle.setopt(pycurl.WRITEDATA, body)
        handle.setopt(pycurl.HEADERFUNCTION, lambda line: lines.append(line.decode("latin-1")))
        handle.perform()
        version = handle.getinfo(pycurl.INFO_HTTP_VERSION)
        status = handle.getinfo(pycurl.RESPONSE_CODE)
    except pycurl.error as error:
        if error.args[0] == pycurl.E_PEER_FAILED_VERIFICATION:
            raise Untrusted(
                f"{url}: {error.args[-1]}; the certificate must name the address, and {ca} vouch for it"
            ) from error
        raise RunFailed(f"{method} {url}: {error.args[-1]}") from error
    finally:
        handle.close()
    if version != _versions(pycurl)[protocol][1]:
        raise RunFailed(f"{method} {url}: answered by another protocol than {protocol}")
    return Answer(status, body.getvalue(), _parse(lines))


def _set_up(handle: Any, pycurl: Any, protocol: Protocol) -> None:
    handle.setopt(pycurl.HTTP_VERSION, _versions(pycurl)[protocol][0])
    handle.setopt(pycurl.PATH_AS_IS, 1)
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.PROXY, "")


def _versions(pycurl: Any) -> dict[Protocol, tuple[int, int]]:
    """Return what to ask libcurl for, and what it says was used."""
    return {
        Protocol.HTTP_1_1: (pycurl.CURL_HTTP_VERSION_1_1, pycurl.CURL_HTTP_VERSION_1_1),
        Protocol.HTTP_3: (CURL_HTTP_VERSION_3ONLY, pycurl.CURL_HTTP_VERSION_3),
    }


def _parse(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines if not line.startswith("HTTP/"))
    return {name.strip().lower(): value.strip() for name, mark, value in pairs if mark}
