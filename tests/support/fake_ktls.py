"""A fake of a connected socket under kTLS, for tests of what the worker asks of it. No kernel is involved.

It records every call in order, and does with the keys what the kernel does (``record_protection``): what is sent comes
out as records in ``wire``, records that are fed come in as plaintext and control records, as
Documentation/networking/tls.rst and the facts of net/tls/tls_sw.c have it. tests/kernel asks the real one.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import cast

from ktlsserve.kernel.ktls import SOL_TCP, SOL_TLS, TCP_ULP, TLS_GET_RECORD_TYPE, TLS_RX, TLS_SET_RECORD_TYPE, TLS_TX
from tests.support.record_protection import APPLICATION_DATA, HANDSHAKE, RecordProtection, split_records

_KEY_UPDATE = 24


@dataclass(frozen=True)
class Call:
    """One call: ``ulp``, ``tx``, ``rx``, ``send``, ``control``; its bytes, and the flags or the record type."""

    name: str
    data: bytes
    number: int = 0


@dataclass
class FakeKtlsSocket:
    """``refuse`` maps ``ulp``, ``tx`` and ``rx`` to the errno that they fail with.

    ``takes`` is how many bytes the next sends take, 0 for EAGAIN; when it is empty they take everything. ``fd`` is for
    what needs a real descriptor.
    """

    refuse: dict[str, int] = field(default_factory=dict)
    takes: deque[int] = field(default_factory=deque)
    fd: int = -1
    calls: list[Call] = field(default_factory=list)
    wire: bytes = b""
    ended: bool = False

    def __post_init__(self) -> None:
        self.tx: RecordProtection | None = None
        self._rx: RecordProtection | None = None
        self._open_record = b""
        self._sealed: deque[bytes] = deque()
        self._received: deque[tuple[int, bytes]] = deque()
        self._fault = 0
        self._key_expired = False

    @property
    def sock(self) -> socket.socket:
        """The fake, for who takes a socket."""
        return cast("socket.socket", self)

    def names(self) -> list[str]:
        """Return the names of the calls so far."""
        return [call.name for call in self.calls]

    def option(self, name: str) -> bytes:
        """Return the value of the last ``tx`` or ``rx``."""
        return [call.data for call in self.calls if call.name == name][-1]

    # The socket's part.

    def fileno(self) -> int:
        return self.fd

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        name = {(SOL_TCP, TCP_ULP): "ulp", (SOL_TLS, TLS_TX): "tx", (SOL_TLS, TLS_RX): "rx"}[level, option]
        self.calls.append(Call(name, value))
        if name in self.refuse:
            raise OSError(self.refuse[name], os.strerror(self.refuse[name]))
        if name == "tx":
            assert not self._open_record, "a new key under an open record"
            self.tx = RecordProtection(value)
        elif name == "rx":
            self._rx, self._key_expired = RecordProtection(value), False
            self._open_sealed()

    def send(self, data: bytes | memoryview, flags: int = 0) -> int:
        taken = self._take(len(data))
        self.calls.append(Call("send", bytes(data[:taken]), flags))
        self._open_record += bytes(data[:taken])
        if not flags & socket.MSG_MORE or taken < len(data):
            self._push()
        return taken

    def sendmsg(self, buffers: list[bytes], control: list[tuple[int, int, bytes]]) -> int:
        content = b"".join(buffers)
        ((level, kind, (record_type,)),) = control
        assert (level, kind) == (SOL_TLS, TLS_SET_RECORD_TYPE)
        self._take(len(content))
        self.calls.append(Call("control", content, record_type))
        self._push()
        self.wire += self._sealer().seal(content, record_type)
        return len(content)

    def recv(self, most: int) -> bytes:
        content, record_type = self._read(most)
        if record_type != APPLICATION_DATA and record_type is not None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return content

    def recvmsg(self, most: int, ancillary: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, None]:
        assert ancillary >= socket.CMSG_SPACE(1)
        content, record_type = self._read(most, take_control=True)
        control = [] if record_type is None else [(SOL_TLS, TLS_GET_RECORD_TYPE, bytes((record_type,)))]
        return content, control, 0, None

    # The other side's part.

    def feed(self, stream: bytes) -> None:
        """Receive whole records."""
        self._sealed.extend(split_records(stream))
        self._open_sealed()

    def feed_plain(self, *records: tuple[int, bytes]) -> None:
        """Receive records that are open already: (type, content)."""
        self._received.extend(records)

    def fail(self, code: int) -> None:
        """Have reads fail with ``code`` once what was received is read, as after a bad record."""
        self._fault = code

    # Inside.

    def _take(self, count: int) -> int:
        taken = min(self.takes.popleft(), count) if self.takes else count
        if count and not taken:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return taken

    def _sealer(self) -> RecordProtection:
        assert self.tx is not None, "with the ULP and without TLS_TX, bytes leave in clear"
        return self.tx

    def _push(self) -> None:
        while self._open_record:
            self.wire += self._sealer().seal(self._open_record[:16384])
            self._open_record = self._open_record[16384:]

    def _open_sealed(self) -> None:
        while self._sealed and self._rx is not None and not self._key_expired:
            record_type, content = self._rx.open(self._sealed.popleft())
            self._received.append((record_type, content))
            # Nothing more is opened until the next key is there (Linux 6.14 and later).
            self._key_expired = record_type == HANDSHAKE and content[:1] == bytes((_KEY_UPDATE,))

    def _read(self, most: int, *, take_control: bool = False) -> tuple[bytes, int | None]:
        """Return (content, record type), type None at the end of the stream; kinds never mix."""
        content, kind = b"", None
        while self._received:
            record_type, data = self._received[0]
            if record_type != APPLICATION_DATA:
                if kind is None:
                    if take_control:
                        self._keep_rest(data[most:])
                    return (data[:most] if take_control else b""), record_type
                break
            kind = record_type
            taken = data[: most - len(content)]
            content += taken
            self._keep_rest(data[len(taken) :])
            if len(content) == most:
                break
        if content or (kind is not None and self._received):
            return content, kind
        if self._fault:
            raise OSError(self._fault, os.strerror(self._fault))
        if self._key_expired and self._sealed:
            raise OSError(errno.EKEYEXPIRED, os.strerror(errno.EKEYEXPIRED))
        if self.ended:
            return b"", None
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def _keep_rest(self, rest: bytes) -> None:
        record_type, _ = self._received.popleft()
        if rest:
            self._received.appendleft((record_type, rest))
