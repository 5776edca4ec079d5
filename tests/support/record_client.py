"""A TLS client that holds its sending key in its own hands: it can send any record that the protocol has a form for.

The handshake is OpenSSL's, by Python's ssl. From then on records are sealed here with the keys of the key log, and what
the server sends is still read by OpenSSL, so a stray record, a KeyUpdate or an alert is authentic, and whatever the
server makes of it is seen by an ordinary client.
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from ktlsserve.tls.crypto_info import TrafficKeys, pack_crypto_info
from ktlsserve.tls.key_schedule import tls12_traffic_keys, tls13_next_secret, tls13_traffic_keys
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME, TlsVersion
from tests.support.record_protection import ALERT, APPLICATION_DATA, HANDSHAKE, RecordProtection
from tests.support.server import Server
from tests.support.wire import READ_BYTES, TlsWire, client_context

CLOSE_NOTIFY = b"\x01\x00"
# HandshakeType 24, length 1, KeyUpdateRequest (RFC 8446 section 4.6.3).
KEY_UPDATE = {False: bytes.fromhex("1800000100"), True: bytes.fromhex("1800000101")}
# Where a hello's random is in the record that begins with it: header, handshake header, version.
_RANDOM = slice(5 + 4 + 2, 5 + 4 + 2 + 32)


class RecordClient(TlsWire):
    """A connection to ``server`` whose outgoing records are made by ``seal``.

    ``version`` is "1.2" or "1.3"; ``max_segment_bytes`` limits what the server puts into a TCP segment.
    """

    def __init__(
        self, server: Server, *, version: str = "1.3", receive_buffer_bytes: int = 0, max_segment_bytes: int = 0
    ) -> None:
        context = client_context(server)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[f"TLSv{version.replace('.', '_')}"]
        self._server_flight = b""
        with tempfile.NamedTemporaryFile() as key_log:
            context.keylog_filename = key_log.name
            super().__init__(
                server.address,
                context,
                receive_buffer_bytes=receive_buffer_bytes,
                max_segment_bytes=max_segment_bytes,
            )
            secrets = _read_key_log(Path(key_log.name))
        cipher = self.tls.cipher()
        assert cipher is not None
        self.suite = SUITE_BY_OPENSSL_NAME[cipher[0]]
        if self.suite.version is TlsVersion.TLS1_3:
            self._secret = secrets["CLIENT_TRAFFIC_SECRET_0"][1]
            self._use(tls13_traffic_keys(self.suite, self._secret), 0)
        else:
            client_random, master = secrets["CLIENT_RANDOM"]
            client, _ = tls12_traffic_keys(self.suite, master, client_random, self._server_flight[_RANDOM])
            # Finished was the first record under this key.
            self._use(client, 1)

    def seal(self, data: bytes, content_type: int = APPLICATION_DATA, *, padding: int = 0) -> bytes:
        """Return the next record, of any type; ``padding`` is TLS 1.3's."""
        return self._protection.seal(data, content_type, padding=padding)

    def send(self, data: bytes) -> None:
        """Send ``data`` in one record."""
        self.send_record(data)

    def send_record(self, content: bytes, content_type: int = APPLICATION_DATA) -> None:
        """Send one record of any type."""
        self.sock.sendall(self.seal(content, content_type))

    def update_key(self, *, requested: bool) -> bytes:
        """Return the record with a KeyUpdate; what is sealed later is under the next key."""
        record = self.seal(KEY_UPDATE[requested], HANDSHAKE)
        self._secret = tls13_next_secret(self.suite, self._secret)
        self._use(tls13_traffic_keys(self.suite, self._secret), 0)
        return record

    def send_close_notify(self) -> None:
        """Say that nothing more will be sent, and leave the connection open."""
        self.send_record(CLOSE_NOTIFY, ALERT)

    def half_close(self) -> None:
        """Send close_notify, then FIN."""
        self.send_close_notify()
        super(TlsWire, self).half_close()

    def _use(self, keys: TrafficKeys, rec_seq: int) -> None:
        self._protection = RecordProtection(pack_crypto_info(keys, rec_seq))

    def _flush(self) -> None:
        # After the handshake OpenSSL still answers a KeyUpdate of the server's or its close_notify: not under this key.
        if hasattr(self, "_protection"):
            self.outgoing.read()
        else:
            super()._flush()

    def _fill(self) -> None:
        if data := self.sock.recv(READ_BYTES):
            if len(self._server_flight) < _RANDOM.stop:
                self._server_flight += data
            self.incoming.write(data)
        else:
            self.incoming.write_eof()


def _read_key_log(file: Path) -> dict[str, tuple[bytes, bytes]]:
    """Return (client random, secret) by label."""
    lines = (line.split() for line in file.read_text(encoding="ascii").splitlines() if not line.startswith("#"))
    return {label: (bytes.fromhex(client_random), bytes.fromhex(secret)) for label, client_random, secret in lines}
