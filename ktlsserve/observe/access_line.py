r"""Lines of the access log, in combined log format or as JSON: values in, bytes out.

What a client sent can't end a line, a field or a JSON string: quotes, backslashes and whatever isn't printable ASCII
are escaped, as \xHH in the combined format (like nginx), the JSON way in JSON. The common case, nothing to escape, is
told by one ``bytes.translate`` over all fields.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

_SAFE = bytes(code for code in range(0x20, 0x7F) if code not in b'"\\')
_ESCAPED = tuple(bytes((code,)) if code in _SAFE else b"\\x%02X" % code for code in range(256))
# strftime's %b would speak the locale's language.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(slots=True)
class Access:
    """One reply, for the log.

    ``client`` is the peer's address without its port, ``request_line`` as received without CRLF, ``status`` that of
    the reply and ``body_bytes`` what was sent of its body, ``when_s`` the time since the epoch, ``tls`` the names of
    version and cipher suite. Not frozen: that would make it three times as expensive, and there is one per reply.
    """

    client: str
    request_line: bytes
    status: int
    body_bytes: int
    when_s: float
    referer: bytes | None = None
    user_agent: bytes | None = None
    duration_s: float = 0.0
    tls: tuple[str, str] | None = None


class LineFormat(Protocol):
    """Makes lines, and keeps the text of the current second from one to the next."""

    def line(self, access: Access) -> bytes:
        """Return the line of ``access`` with its LF."""


class CombinedFormat:
    """``client - - [time] "request" status bytes "referer" "user agent"``, as Apache httpd and nginx write it.

    The time is local, with its offset from UTC. Nobody is logged in, hence the second ``-``. No duration, no TLS.
    """

    def __init__(self) -> None:
        self._second = -1
        self._time = b""

    def line(self, access: Access) -> bytes:
        """Return the line of ``access`` with its LF."""
        second = int(access.when_s)
        if second != self._second:
            self._second, self._time = second, _local_time(second)
        client = access.client.encode("ascii", "backslashreplace")
        request_line = access.request_line
        referer = b"-" if access.referer is None else access.referer
        user_agent = b"-" if access.user_agent is None else access.user_agent
        if (client + request_line + referer + user_agent).translate(None, _SAFE):
            client, request_line, referer, user_agent = map(_escape, (client, request_line, referer, user_agent))
        fields = (client, self._time, request_line, access.status, access.body_bytes, referer, user_agent)
        return b'%b - - [%b] "%b" %d %d "%b" "%b"\n' % fields


class JsonFormat:
    """One object a line, always with the same keys; what is absent is null. The time is UTC (RFC 3339)."""

    def __init__(self) -> None:
        self._second = -1
        self._time = b""

    def line(self, access: Access) -> bytes:
        """Return the line of ``access`` with its LF."""
        second = int(access.when_s)
        if second != self._second:
            self._second = second
            self._time = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        return (
            b'{"time":"%b.%03dZ","client":%b,"request":%b,"status":%d,"bytes":%d,"referer":%b,"user_agent":%b,'
            b'"duration_s":%.6f,%b}\n'
        ) % (
            self._time,
            (access.when_s - second) * 1000,
            _json(access.client.encode("utf-8", "backslashreplace")),
            _json(access.request_line),
            access.status,
            access.body_bytes,
            _json(access.referer),
            _json(access.user_agent),
            access.duration_s,
            _json_tls(access.tls),
        )


def _local_time(second: int) -> bytes:
    """Format seconds since the epoch as ``10/Oct/2000:13:55:36 +0200``."""
    local = time.localtime(second)
    offset_min = local.tm_gmtoff // 60
    sign, offset_min = ("-", -offset_min) if offset_min < 0 else ("+", offset_min)
    return (
        f"{local.tm_mday:02}/{_MONTHS[local.tm_mon - 1]}/{local.tm_year:04}:"
        f"{local.tm_hour:02}:{local.tm_min:02}:{local.tm_sec:02} {sign}{offset_min // 60:02}{offset_min % 60:02}"
    ).encode()


def _escape(value: bytes) -> bytes:
    if not value.translate(None, _SAFE):
        return value
    return b"".join([_ESCAPED[code] for code in value])


def _json(value: bytes | None) -> bytes:
    r"""Return ``value`` as a JSON string in ASCII; what isn't UTF-8 in it becomes \xHH."""
    if value is None:
        return b"null"
    if value.translate(None, _SAFE):
        return json.dumps(value.decode("utf-8", "backslashreplace")).encode()
    return b'"%b"' % value


@lru_cache(maxsize=64)  # versions times cipher suites are far fewer
def _json_tls(tls: tuple[str, str] | None) -> bytes:
    version, cipher = tls or (None, None)
    return f'"tls_version":{json.dumps(version)},"tls_cipher":{json.dumps(cipher)}'.encode()
