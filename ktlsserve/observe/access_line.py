r"""Lines of the access log, in combined log format or as JSON: values in, bytes out.

What a client sent can't end a line, a field or a JSON string: quotes, backslashes and whatever isn't printable ASCII
are escaped, as \xHH in the combined format (like nginx), the JSON way in JSON. The common case, nothing to escape, is
told for all fields at once.

A line has three parts: what is said of the connection, what is said of a request and its reply, and the time. The first
two are written out once and kept by whoever asks (``AccessLog``), so that a request that was seen before costs no more
than joining bytes.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ktlsserve.networks import IpAddress

_SAFE = bytes(code for code in range(0x20, 0x7F) if code not in b'"\\')
_ESCAPED = tuple(bytes((code,)) if code in _SAFE else b"\\x%02X" % code for code in range(256))
# strftime's %b would speak the locale's language.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_REFERER = b"\r\nreferer:"
_USER_AGENT = b"\r\nuser-agent:"
_CUT_MARK = b"..."
# The longest IPv6 address with a zone; only a bug makes longer ones, but the line must fit then too.
_ADDRESS_CHARACTERS = 64
# Beside a request that is cut, a line of it stays below PIPE_BUF however it is escaped. People's subjects are shorter.
_SUBJECT_BYTES = 256


@dataclass(frozen=True, slots=True)
class Client:
    """What lines say of a connection: the peer's ``address`` without its port, and how it is encrypted, if it is.

    ``tls_path`` is ``kernel`` or ``userspace``, who encrypts replies; ``tls_handshake_s`` is counted from accept;
    ``tls_subject`` is that of the client's certificate (RFC 4514), None where it has shown none.
    """

    address: str
    tls_version: str | None = None
    tls_cipher: str | None = None
    tls_path: str | None = None
    tls_resumed: bool | None = None
    tls_handshake_s: float | None = None
    tls_subject: str | None = None


class RequestFields(NamedTuple):
    """What lines say of a request: its first line without CRLF, and two fields as they came, None where absent.

    A tuple, because that is made four times as fast as an object with attributes that can't be changed.
    """

    request_line: bytes
    referer: bytes | None = None
    user_agent: bytes | None = None

    @classmethod
    def of(cls, head: bytes) -> RequestFields:
        """Find the fields in a head; an empty one, of a reply to what was no request, has an empty request line."""
        if not head:
            return cls(b"")
        lower = head.lower()
        return cls(head[: head.find(b"\r\n")], _field(_REFERER, head, lower), _field(_USER_AGENT, head, lower))

    def cut(self, keep_bytes: int) -> RequestFields:
        """Return them with each shortened to ``keep_bytes``, and a mark where something is missing."""
        request_line, referer, user_agent = self
        return RequestFields(
            _cut(request_line, keep_bytes),
            referer and _cut(referer, keep_bytes),
            user_agent and _cut(user_agent, keep_bytes),
        )


class LineFormat(Protocol):
    """Makes lines, and keeps the text of the current time from one to the next."""

    def write_client(self, client: Client) -> bytes:
        """Return what its lines say of a connection."""

    def rename_client(self, client: bytes, address: IpAddress) -> bytes:
        """Return what was written of a connection, with another address in its place."""

    def write_reply(self, request: RequestFields, status: int, body_bytes: int) -> bytes:
        """Return what its lines say of a reply: its ``status``, and how many bytes of its body were sent."""

    def line(self, client: bytes, reply: bytes, when_s: float, duration_s: float) -> bytes:
        """Return the line of one reply with its LF, of what the two other methods wrote.

        ``when_s`` is the time since the epoch, ``duration_s`` that from the request's head to the end of the reply.
        """


class CombinedFormat:
    """``client - user [time] "request" status bytes "referer" "user agent"``, as Apache httpd and nginx write it.

    The time is local, with its offset from UTC. The user is the subject of the client's certificate, if there is one;
    its blanks are escaped too, because the field isn't quoted. No duration, no TLS.
    """

    def __init__(self) -> None:
        self._second = -1
        self._time = b""

    def write_client(self, client: Client) -> bytes:
        """See ``LineFormat``."""
        address = _escape(client.address[:_ADDRESS_CHARACTERS].encode("ascii", "backslashreplace"))
        user = _escape(_subject(client) or b"-").replace(b" ", b"\\x20")
        return b"%b - %b [" % (address, user)

    def rename_client(self, client: bytes, address: IpAddress) -> bytes:
        """See ``LineFormat``."""
        _, blank, behind = client.partition(b" ")
        return str(address).encode("ascii") + blank + behind

    def write_reply(self, request: RequestFields, status: int, body_bytes: int) -> bytes:
        """See ``LineFormat``."""
        request_line, referer, user_agent = request
        if referer is None:
            referer = b"-"
        if user_agent is None:
            user_agent = b"-"
        if not _is_plain(request_line + referer + user_agent):
            request_line, referer, user_agent = _escape(request_line), _escape(referer), _escape(user_agent)
        return b'] "%b" %d %d "%b" "%b"\n' % (request_line, status, body_bytes, referer, user_agent)

    def line(self, client: bytes, reply: bytes, when_s: float, duration_s: float) -> bytes:  # noqa: ARG002 - no place
        """See ``LineFormat``."""
        second = int(when_s)
        if second != self._second:
            self._second, self._time = second, _local_time(second)
        return client + self._time + reply


class JsonFormat:
    """One object a line, always with the same keys; what is absent is null. The time is UTC (RFC 3339)."""

    def __init__(self) -> None:
        self._when_s = -1.0
        self._time = b""

    def write_client(self, client: Client) -> bytes:
        """See ``LineFormat``."""
        tls = {
            "tls_version": client.tls_version,
            "tls_cipher": client.tls_cipher,
            "tls_path": client.tls_path,
            "tls_resumed": client.tls_resumed,
            "tls_handshake_s": None if client.tls_handshake_s is None else round(client.tls_handshake_s, 6),
        }
        address = _json(client.address[:_ADDRESS_CHARACTERS].encode("utf-8", "backslashreplace"))
        facts = json.dumps(tls, separators=(",", ":"))[1:-1].encode()
        return b'"client":%b,%b,"tls_subject":%b,' % (address, facts, _json(_subject(client)))

    def rename_client(self, client: bytes, address: IpAddress) -> bytes:
        """See ``LineFormat``."""
        _, between, behind = client.partition(b'","')
        return b'"client":"' + str(address).encode("ascii") + between + behind

    def write_reply(self, request: RequestFields, status: int, body_bytes: int) -> bytes:
        """See ``LineFormat``."""
        return b'"request":%b,"status":%d,"bytes":%d,"referer":%b,"user_agent":%b,' % (
            _json(request.request_line),
            status,
            body_bytes,
            _json(request.referer),
            _json(request.user_agent),
        )

    def line(self, client: bytes, reply: bytes, when_s: float, duration_s: float) -> bytes:
        """See ``LineFormat``."""
        if when_s != self._when_s:
            self._when_s, self._time = when_s, _utc_time(when_s)
        # A known request is answered in the turn in which it comes.
        duration = b'"duration_s":%.6f}\n' % duration_s if duration_s else b'"duration_s":0.000000}\n'
        return self._time + client + reply + duration


def _utc_time(when_s: float) -> bytes:
    """Begin a JSON line at seconds since the epoch."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when_s))
    return b'{"time":"%b.%03dZ",' % (moment.encode(), when_s % 1 * 1000)


def _subject(client: Client) -> bytes | None:
    """Return the client's subject, no longer than a line has room for however it is escaped."""
    if client.tls_subject is None:
        return None
    return _cut(client.tls_subject.encode("utf-8", "backslashreplace"), _SUBJECT_BYTES)


def _local_time(second: int) -> bytes:
    """Format seconds since the epoch as ``10/Oct/2000:13:55:36 +0200``."""
    local = time.localtime(second)
    offset_min = local.tm_gmtoff // 60
    sign, offset_min = ("-", -offset_min) if offset_min < 0 else ("+", offset_min)
    return (
        f"{local.tm_mday:02}/{_MONTHS[local.tm_mon - 1]}/{local.tm_year:04}:"
        f"{local.tm_hour:02}:{local.tm_min:02}:{local.tm_sec:02} {sign}{offset_min // 60:02}{offset_min % 60:02}"
    ).encode()


def _is_plain(value: bytes) -> bool:
    """Tell whether there is nothing to escape; several calls in C, which take a third of the time of a translation."""
    return value.isascii() and value.decode("ascii").isprintable() and b'"' not in value and b"\\" not in value


def _escape(value: bytes) -> bytes:
    return value if _is_plain(value) else b"".join([_ESCAPED[code] for code in value])


def _json(value: bytes | None) -> bytes:
    r"""Return ``value`` as a JSON string in ASCII; what isn't UTF-8 in it becomes \xHH."""
    if value is None:
        return b"null"
    if not _is_plain(value):
        return json.dumps(value.decode("utf-8", "backslashreplace")).encode()
    return b'"%b"' % value


def _field(start: bytes, head: bytes, lower: bytes) -> bytes | None:
    """Return the value of the first line that begins with ``start`` in lower case: no regex finds it as fast."""
    at = lower.find(start)
    if at < 0:
        return None
    at += len(start)
    return head[at : head.find(b"\r", at)].strip(b" \t")


def _cut(field: bytes, keep_bytes: int) -> bytes:
    return field if len(field) <= keep_bytes else field[:keep_bytes] + _CUT_MARK
