"""The two libraries with aioquic's API: what differs between them is here and nowhere else."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

NAMES = ("aioquic", "qh3")
# Loopback's MTU would take more; on the way to clients packets have 1500 bytes, 48 of them for IPv6 and UDP.
MAX_DATAGRAM_BYTES = 1452
IDLE_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Implementation:
    """A library: its classes, and how many bytes of a stream it keeps that it hasn't sent yet."""

    name: str
    server: Any
    http: Any
    quic_events: Any
    http_events: Any
    unsent_bytes: Callable[[Any, int], int]
    _configuration: Any
    _tls: Any

    def configuration(self, certificate: Path, key: Path) -> Any:
        """Return the configuration of a server.

        Raises OSError, ValueError or TypeError for what isn't certificate or key, or is a key with a password. Flow
        control is the client's: it tells how much it takes (curl: 10 MB for a stream). What we take is requests, for
        which the libraries' defaults of 1 MiB and more are plenty.
        """
        made = self._configuration(
            is_client=False,
            alpn_protocols=["h3"],
            max_datagram_size=MAX_DATAGRAM_BYTES,
            idle_timeout=IDLE_TIMEOUT_S,
            # qh3 always says that it takes HTTP datagrams. A strict client then closes a connection whose QUIC takes
            # none (RFC 9297 section 2.1.1, RFC 9221 section 3).
            max_datagram_frame_size=65_535,
        )
        # The libraries' own readers are particular about what stands in which file: they get it in one form.
        chain = [found.public_bytes(Encoding.PEM) for found in load_pem_x509_certificates(certificate.read_bytes())]
        private = load_pem_private_key(key.read_bytes(), password=None)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        made.certificate, *made.certificate_chain = self._tls.load_pem_x509_certificates(b"".join(chain))
        made.private_key = self._tls.load_pem_private_key(pem)
        return made


def load(name: str) -> Implementation:
    """Import a library by its name; raises ImportError where it isn't installed."""
    return Implementation(
        name,
        server=importlib.import_module(f"{name}.asyncio.server").QuicServer,
        http=importlib.import_module(f"{name}.h3.connection").H3Connection,
        quic_events=importlib.import_module(f"{name}.quic.events"),
        http_events=importlib.import_module(f"{name}.h3.events"),
        unsent_bytes=_UNSENT_BYTES[name],
        _configuration=importlib.import_module(f"{name}.quic.configuration").QuicConfiguration,
        _tls=importlib.import_module(f"{name}.tls"),
    )


def is_closing(quic: Any) -> bool:
    """Tell whether a connection was closed by either side.

    The event that says so comes only when the time for late packets is over (RFC 9000 section 10.2), and qh3 takes no
    more data from the beginning of that.
    """
    return quic._close_event is not None  # noqa: SLF001 - neither library has a public way to ask


def _unsent_by_aioquic(quic: Any, stream_id: int) -> int:
    # aioquic keeps what it is given, without a limit and without a public way to ask how much that is.
    stream = quic._streams.get(stream_id)  # noqa: SLF001 - see above
    if stream is None:
        return 0
    sender = stream.sender
    unsent: int = sender._buffer_stop - sender.highest_offset  # noqa: SLF001 - see above
    return unsent


def _unsent_by_qh3(quic: Any, stream_id: int) -> int:
    unsent: int = quic.get_send_buffer_size(stream_id)
    return unsent


_UNSENT_BYTES = {"aioquic": _unsent_by_aioquic, "qh3": _unsent_by_qh3}
