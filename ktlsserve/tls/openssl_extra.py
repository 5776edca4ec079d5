"""What pyOpenSSL binds but doesn't expose, or exposes at a price that each handshake and request would pay.

pyOpenSSL raises an exception where OpenSSL merely waits for more input or has nothing to put out, and its buffers are
allocated for each call: 1.3 µs for an empty ``bio_read``, 0.13 µs for asking how much there is. Here OpenSSL is asked
first, and one buffer serves all calls of the process: its workers have one thread that uses OpenSSL's connections, and
what is in the buffer is copied out before the call returns.

These functions reach into private attributes, so they stand here alone, and the tests fail when an upgrade moves them.
Those that speak of input and output want a connection over memory BIOs. OpenSSL on the socket itself was measured too:
its handshakes and its bulk data cost the same, so there is one way, the one that a hand-over needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL

_lib: Any = SSL._lib  # type: ignore[attr-defined]  # noqa: SLF001
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]  # noqa: SLF001

# SSL_read yields at most what one record holds (RFC 8446 section 5.1).
_MOST_PLAINTEXT_BYTES = 16384
_scratch = _ffi.new("char[]", 65536)
_SCRATCH_BYTES = len(_scratch)
_where = _ffi.new("char **")


def set_groups(context: SSL.Context, names: tuple[str, ...]) -> None:
    """Offer these key-exchange groups, in this order of preference (SSL_CTX_set1_groups_list(3)).

    Raises ValueError when this OpenSSL doesn't know one of them.
    """
    # set1_curves_list is the same call under the name it had before TLS 1.3.
    if _lib.SSL_CTX_set1_curves_list(context._context, ":".join(names).encode("ascii")) != 1:  # noqa: SLF001
        raise ValueError(f"this OpenSSL doesn't know all of the groups {', '.join(names)}")


def session_reused(connection: SSL.Connection) -> bool:
    """Tell whether the handshake resumed an earlier session (SSL_session_reused(3))."""
    return bool(_lib.SSL_session_reused(connection._ssl))  # noqa: SLF001


def verify_error_text(error: int) -> str:
    """Say in words why a certificate was refused (X509_verify_cert_error_string(3))."""
    return bytes(_ffi.string(_lib.X509_verify_cert_error_string(error))).decode("ascii", "replace")


def continue_handshake(connection: SSL.Connection) -> bool:
    """Go on with the handshake; return whether it is finished. Raises SSL.Error as ``do_handshake`` does."""
    result = _lib.SSL_do_handshake(connection._ssl)  # noqa: SLF001
    return result == 1 or _wants_input(connection, result)


def decrypt(connection: SSL.Connection, most_bytes: int) -> bytes | None:
    """Return up to ``most_bytes`` of what one record holds, or None where there is no whole record.

    Raises SSL.Error as ``recv`` does.
    """
    result = _lib.SSL_read(connection._ssl, _scratch, min(most_bytes, _MOST_PLAINTEXT_BYTES))  # noqa: SLF001
    if result > 0:
        plaintext: bytes = _ffi.buffer(_scratch, result)[:]
        return plaintext
    _wants_input(connection, result)
    return None


def _wants_input(connection: SSL.Connection, result: int) -> bool:
    """Return False where OpenSSL waits for input, which ``result`` says; raise SSL.Error for anything else."""
    ssl = connection._ssl  # noqa: SLF001
    if _lib.SSL_get_error(ssl, result) != _lib.SSL_ERROR_WANT_READ:
        connection._raise_ssl_error(ssl, result)  # noqa: SLF001
    return False


def encrypt(connection: SSL.Connection, data: bytes | memoryview) -> int:
    """Have ``data``, which isn't empty, encrypted; return its size. Raises SSL.Error as ``send`` does."""
    result: int = _lib.SSL_write(connection._ssl, _ffi.from_buffer(data), len(data))  # noqa: SLF001
    if result <= 0:
        connection._raise_ssl_error(connection._ssl, result)  # noqa: SLF001
    return result


def give_input(connection: SSL.Connection, data: bytes) -> None:
    """Add bytes from the peer to those that OpenSSL will read."""
    if _lib.BIO_write(connection._into_ssl, data, len(data)) != len(data):  # noqa: SLF001
        raise MemoryError("OpenSSL has no memory for its input")


def input_bytes(connection: SSL.Connection) -> int:
    """Return how many bytes OpenSSL hasn't taken of what it was given: it takes those of one record at a time."""
    count: int = _lib.BIO_get_mem_data(connection._into_ssl, _where)  # noqa: SLF001
    return count


def output_bytes(connection: SSL.Connection) -> int:
    """Return how many bytes OpenSSL has put out that weren't taken."""
    count: int = _lib.BIO_get_mem_data(connection._from_ssl, _where)  # noqa: SLF001
    return count


def look_at_output(connection: SSL.Connection) -> memoryview:
    """Return what OpenSSL has put out, where it lies: good until the next call on this connection."""
    count = output_bytes(connection)
    return memoryview(_ffi.buffer(_where[0], count) if count else b"")


def drop_output(connection: SSL.Connection, count: int) -> None:
    """Take ``count`` bytes off the front of what OpenSSL has put out."""
    while count > 0:
        dropped = _lib.BIO_read(connection._from_ssl, _scratch, min(count, _SCRATCH_BYTES))  # noqa: SLF001
        if dropped <= 0:
            raise ValueError("more bytes than OpenSSL has put out")
        count -= dropped


def take_output(connection: SSL.Connection) -> bytes:
    """Return what OpenSSL has put out, and take it off there; b"" where there is nothing."""
    taken = b""
    while (count := _lib.BIO_read(connection._from_ssl, _scratch, _SCRATCH_BYTES)) > 0:  # noqa: SLF001
        taken += _ffi.buffer(_scratch, count)[:]
        if count < _SCRATCH_BYTES:
            break
    return taken


def state_callback(function: Callable[[SSL.Connection, int], None]) -> object:
    """Make a callback for ``watch_states``: it gets the connection and what SSL_CTX_set_info_callback(3) calls where.

    It runs inside a C callback, where an exception would be printed and lost. It must be kept as long as it is used;
    pyOpenSSL would make one for each connection.
    """

    def call(ssl: object, where: int, _value: int) -> None:
        function(SSL.Connection._reverse_mapping[ssl], where)  # noqa: SLF001

    made: object = _ffi.callback("void (*)(const SSL *, int, int)", call)
    return made


def watch_states(connection: SSL.Connection, callback: object) -> None:
    """Have ``callback``, which ``state_callback`` made, called whenever the connection's state changes."""
    _lib.SSL_set_info_callback(connection._ssl, callback)  # noqa: SLF001
