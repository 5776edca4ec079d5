"""The server with one thing wrong on purpose: python -m tests.support.mutant_server MUTANT serve --config FILE.

Tests that would pass with a mutant too show nothing; with ``Server(..., program=mutant("rec_seq too high"))`` they are
asked. ``control`` changes nothing: it shows that it is the mutation that a test notices, and not this launcher.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable

from ktlsserve.cli import main
from ktlsserve.kernel import ktls
from ktlsserve.tls import crypto_info
from ktlsserve.tls.crypto_info import TrafficKeys
from ktlsserve.worker import closing, kernel_keys
from ktlsserve.worker.connection import Connection
from ktlsserve.worker.loop import Worker
from ktlsserve.worker.states import State

_REC_SEQ_BYTES = 8


def mutant(name: str) -> tuple[str, ...]:
    """Return what Python is started with to serve with the mutation ``name``."""
    assert name in MUTANTS, name
    return "-m", "tests.support.mutant_server", name


def _replace(owner: object, name: str, replacement: Callable[..., object]) -> None:
    """Put another function in a module's or a class's place for it."""
    assert callable(getattr(owner, name))
    setattr(owner, name, replacement)


def _nothing() -> None:
    pass


def _sending_number(change: Callable[[int], int]) -> None:
    """Tell the kernel another number for the first record that it sends."""

    def install(sock: socket.socket, option: bytes) -> None:
        ktls.install_tx(sock, _renumbered(option, change))

    _replace(kernel_keys, "install_tx", install)


def _receiving_number(change: Callable[[int], int]) -> None:
    """Tell the kernel another number for the first record that it receives."""

    def install(sock: socket.socket, option: bytes) -> None:
        ktls.install_rx(sock, _renumbered(option, change))

    _replace(kernel_keys, "install_rx", install)


def _renumbered(option: bytes, change: Callable[[int], int]) -> bytes:
    rec_seq = int.from_bytes(option[-_REC_SEQ_BYTES:], "big")
    return option[:-_REC_SEQ_BYTES] + change(rec_seq).to_bytes(_REC_SEQ_BYTES, "big")


def _swap_directions() -> None:
    """Send under the client's key and receive under the server's; the numbers stay right."""
    install_tx = kernel_keys.KernelKeys.install_tx

    def install(keys: kernel_keys.KernelKeys) -> None:
        assert keys._pending_tx is not None
        assert keys._pending_rx is not None
        (sending, tx_seq), (receiving, rx_seq) = keys._pending_tx, keys._pending_rx
        keys._pending_tx, keys._pending_rx = (receiving, tx_seq), (sending, rx_seq)
        install_tx(keys)

    _replace(kernel_keys.KernelKeys, "install_tx", install)


def _turn_iv() -> None:
    """Split the IV the other way round: what should be the salt at the end of the nonce, and its end in the salt.

    ChaCha20 has no salt; there the halves of its IV change places.
    """
    split_iv = crypto_info._split_iv

    def split(keys: TrafficKeys, explicit_nonce: bytes) -> tuple[bytes, bytes]:
        salt, iv = split_iv(keys, explicit_nonce)
        joined = iv + salt if salt else iv[6:] + iv[:6]
        return joined[: len(salt)], joined[len(salt) :]

    _replace(crypto_info, "_split_iv", split)


def _no_sending_key() -> None:
    """Forget TLS_TX: what should be encrypted leaves in clear."""

    def install(keys: kernel_keys.KernelKeys) -> None:
        keys._pending_tx = None

    _replace(kernel_keys.KernelKeys, "install_tx", install)


def _no_wait() -> None:
    """Close as one would a plain connection: close_notify if there is room for it, then the shutdown."""

    def check(worker: Worker, conn: Connection) -> None:
        assert conn.sender is not None
        with contextlib.suppress(BlockingIOError):
            conn.sender.send_close_notify()
        conn.move(State.NOTIFIED)
        closing.linger(worker, conn)

    _replace(closing, "check_flushed", check)


MUTANTS: dict[str, Callable[[], None]] = {
    "control": _nothing,
    "sending number too high": lambda: _sending_number(lambda number: number + 1),
    "sending number 0": lambda: _sending_number(lambda _: 0),
    "receiving number too high": lambda: _receiving_number(lambda number: number + 1),
    "directions swapped": _swap_directions,
    "salt and iv swapped": _turn_iv,
    "no sending key": _no_sending_key,
    "close without waiting": _no_wait,
}


if __name__ == "__main__":
    MUTANTS[sys.argv.pop(1)]()
    sys.exit(main())
