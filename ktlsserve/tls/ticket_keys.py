"""Keys of session tickets in files, so that several machines resume each other's sessions.

The files are nginx's (``ssl_session_ticket_key``): 80 random bytes, of which 16 name the key, 32 authenticate and 32
encrypt (AES-256-CBC, HMAC-SHA256), or 48 with 16 bytes each, in the other order (AES-128-CBC). The name travels in the
ticket in clear.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ktlsserve.errors import TicketKeyError

NAME_BYTES = 16
_LONG_BYTES, _SHORT_BYTES = 80, 48
_HINT = "make one by: (umask 077; openssl rand 80 >FILE)"


@dataclass(frozen=True, slots=True, repr=False)
class TicketKey:
    """One key; ``cipher_key`` is 16 or 32 bytes long."""

    name: bytes
    cipher_key: bytes
    mac_key: bytes


def read_ticket_keys(files: Iterable[Path]) -> tuple[TicketKey, ...]:
    """Return the keys in ``files``, one in each; raise TicketKeyError, which names the file and says what to do."""
    keys: dict[bytes, tuple[Path, TicketKey]] = {}
    for file in files:
        key = unpack_ticket_key(_read(file), str(file))
        if key.name in keys:
            raise TicketKeyError(
                f"{file}: begins like {keys[key.name][0]}, and tickets name their key by that; {_HINT}"
            )
        keys[key.name] = (file, key)
    return tuple(key for _, key in keys.values())


def unpack_ticket_key(data: bytes, source: str) -> TicketKey:
    """Take a file's content apart; raise TicketKeyError, in which ``source`` is named."""
    if len(data) not in {_LONG_BYTES, _SHORT_BYTES}:
        size = f"more than {_LONG_BYTES}" if len(data) > _LONG_BYTES else len(data)
        raise TicketKeyError(f"{source}: a ticket key has 80 or 48 bytes, this file {size}; {_HINT}")
    # Zeros, or text out of which nobody made bytes: 48 random bytes hold fewer than 24 values once in 10^20 times.
    if len(set(data)) < _SHORT_BYTES // 2:
        raise TicketKeyError(f"{source}: these bytes aren't random; {_HINT}")
    name, rest = data[:NAME_BYTES], data[NAME_BYTES:]
    half = len(rest) // 2
    if len(data) == _LONG_BYTES:
        return TicketKey(name, cipher_key=rest[half:], mac_key=rest[:half])
    return TicketKey(name, cipher_key=rest[:half], mac_key=rest[half:])


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(_LONG_BYTES + 1)
    except OSError as error:
        raise TicketKeyError(f"{file}: can't be read: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o007:
        raise TicketKeyError(
            f"{file}: everybody on this machine may read or write it, and whoever knows it can decrypt recorded "
            f"TLS 1.2 connections, and pass for the server with clients that resume; chmod o= {file}"
        )
    return data
