"""The keys of one connection inside the kernel, and the one rule about them: each is installed exactly once.

Linux 6.14 and later take a second TLS_TX for TLS 1.3 without complaint, even with the same key and sequence number,
which would repeat nonces and give away GCM's authentication key. So it is not the kernel that guards against it but
this class: a key is taken out of ``_pending_tx`` as it is installed, and the only way to another is the next secret.

KeyUpdate (RFC 8446 section 4.6.3): the peer's new receiving key is installed at once, with record number 0. Where it
asks for ours too, our KeyUpdate goes out under the old key and the new key follows before any more data: until then
``update_owed`` is true, and the sender must call ``update_sending_key`` first. The same happens when a key has
protected as many records as it should (RFC 8446 section 5.5); where the kernel can't change keys, ``worn_out`` tells
the worker to end the connection after its reply.
"""

from __future__ import annotations

import logging
import os
import socket

from ktlsserve.errors import KeyUpdateUnsupported, PeerViolation
from ktlsserve.kernel.ktls import (
    MAX_PLAINTEXT_BYTES,
    TLS_RECORD_TYPE_HANDSHAKE,
    install_rx,
    install_tx,
    send_control_record,
)
from ktlsserve.tls.crypto_info import TrafficKeys, pack_crypto_info
from ktlsserve.tls.handshake import DirectionKeys
from ktlsserve.tls.key_schedule import tls13_next_secret, tls13_traffic_keys
from ktlsserve.tls.suites import Suite

logger = logging.getLogger(__name__)

# HandshakeType 24, three bytes of length, then KeyUpdateRequest.
_KEY_UPDATE_NOT_REQUESTED = bytes.fromhex("1800000100")
_KEY_UPDATE_REQUESTED = bytes.fromhex("1800000101")

# RFC 8446 section 5.5: 2**24.5 full records keep AES-GCM's margin of safety. Half of them leave room for a reply that
# is under way; what a call of send or sendfile makes is counted as the most records that it can be.
MOST_RECORDS = 2**23


def most_records(plaintext_bytes: int) -> int:
    """Return the most records that one call makes: full ones, a part before them and a part behind."""
    return plaintext_bytes // MAX_PLAINTEXT_BYTES + 2


class KernelKeys:
    """Installs both directions' keys on ``sock`` and follows the peer's KeyUpdates.

    ``can_rekey`` tells whether this kernel takes a new key on a connection that has one (Linux 6.14 and later);
    ``max_key_updates`` bounds how often the peer may ask for that work.
    """

    __slots__ = (
        "_key_updates_left",
        "_pending_rx",
        "_pending_tx",
        "_records_left",
        "_rx_secret",
        "_sock",
        "_suite",
        "_tls13",
        "_tx_secret",
        "update_owed",
    )

    def __init__(
        self,
        sock: socket.socket,
        suite: Suite,
        tx: DirectionKeys,
        rx: DirectionKeys,
        *,
        can_rekey: bool,
        max_key_updates: int,
    ) -> None:
        self._sock = sock
        self._suite = suite
        self._pending_tx: tuple[TrafficKeys, int] | None = (tx.keys, tx.rec_seq)
        self._pending_rx: tuple[TrafficKeys, int] | None = (rx.keys, rx.rec_seq)
        # Only the next keys need them.
        self._tx_secret = tx.secret if can_rekey else None
        self._rx_secret = rx.secret if can_rekey else None
        self._tls13 = tx.secret is not None
        self._key_updates_left = max_key_updates
        self._records_left = MOST_RECORDS
        self.update_owed = False

    def install_tx(self) -> None:
        """Give the kernel the pending sending key; raise TxKeyError if it refuses, RuntimeError if there is none."""
        if self._pending_tx is None:
            raise RuntimeError("this sending key is in the kernel already: a second time would repeat nonces")
        (keys, rec_seq), self._pending_tx = self._pending_tx, None
        install_tx(self._sock, pack_crypto_info(keys, rec_seq, os.urandom(8)))

    def install_rx(self) -> None:
        """Give the kernel the pending receiving key; raise RxKeyError if it refuses, RuntimeError if there is none."""
        if self._pending_rx is None:
            raise RuntimeError("this receiving key is in the kernel already")
        (keys, rec_seq), self._pending_rx = self._pending_rx, None
        install_rx(self._sock, pack_crypto_info(keys, rec_seq))

    def receive_handshake_record(self, content: bytes) -> bool:
        """Act on a handshake record that arrived after the handshake; return whether reading can go on.

        Only KeyUpdate is legal there for a client; a renegotiation or anything else raises PeerViolation. Where this
        kernel can't follow, False says that nothing more can be read, though what is being sent may be finished.
        """
        if content not in {_KEY_UPDATE_NOT_REQUESTED, _KEY_UPDATE_REQUESTED} or not self._tls13:
            raise PeerViolation("a handshake message that isn't KeyUpdate after the handshake")
        self._key_updates_left -= 1
        if self._key_updates_left < 0:
            raise PeerViolation("too many KeyUpdates on one connection")
        requested = content == _KEY_UPDATE_REQUESTED
        if self._rx_secret is None:
            return self._decline(requested=requested)
        self._rx_secret = tls13_next_secret(self._suite, self._rx_secret)
        self._pending_rx = (tls13_traffic_keys(self._suite, self._rx_secret), 0)
        self.install_rx()
        if requested:
            self.update_owed = True
        return True

    @property
    def can_change(self) -> bool:
        """Whether the peer's KeyUpdates can be followed."""
        return self._rx_secret is not None

    def note_key_update(self) -> None:
        """Note that OpenSSL, which receives here, has read a KeyUpdate.

        Whether it asks for ours can't be seen from outside, so ours is sent in any case, which is always allowed. A
        kernel that can't change keys goes on with the old one: clients are known to tolerate it.
        """
        if self._tx_secret is not None:
            self.update_owed = True

    @staticmethod
    def _decline(*, requested: bool) -> bool:
        reason = "the peer sent KeyUpdate, and this kernel can't change keys (Linux 6.14 and later can)"
        if requested:
            # Not one more byte may go out under the old key.
            raise KeyUpdateUnsupported(reason)
        logger.info("connection ends after its reply: %s", reason)
        return False

    def update_sending_key(self) -> None:
        """Send our KeyUpdate and move to the next sending key.

        Raises BlockingIOError when the record can't be queued now; the update stays owed. Whatever else it raises
        leaves the connection unable to send: it must be aborted.
        """
        if self._tx_secret is None:
            raise RuntimeError("this connection's keys can't be updated")
        send_control_record(self._sock, TLS_RECORD_TYPE_HANDSHAKE, _KEY_UPDATE_NOT_REQUESTED)
        self._tx_secret = tls13_next_secret(self._suite, self._tx_secret)
        self._pending_tx = (tls13_traffic_keys(self._suite, self._tx_secret), 0)
        self.install_tx()
        self._records_left = MOST_RECORDS
        self.update_owed = False

    @property
    def worn_out(self) -> bool:
        """Whether the sending key has protected as much as it should, and can't be changed."""
        return self._records_left <= 0 and not self.update_owed

    def count_sent(self, plaintext_bytes: int) -> None:
        """Count one call's records against what a key should protect."""
        self._records_left -= most_records(plaintext_bytes)
        if self._records_left <= 0 and self._tx_secret is not None:
            self.update_owed = True
