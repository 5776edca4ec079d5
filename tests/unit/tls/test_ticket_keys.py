from __future__ import annotations

import random
from pathlib import Path

import pytest

from ktlsserve.errors import TicketKeyError
from ktlsserve.tls.ticket_keys import TicketKey, read_ticket_keys, unpack_ticket_key

LONG, SHORT = (random.Random(seed).randbytes(size) for seed, size in ((1, 80), (2, 48)))


def key_file(folder: Path, name: str, data: bytes, mode: int = 0o600) -> Path:
    file = folder / name
    file.write_bytes(data)
    file.chmod(mode)
    return file


def test_the_parts_lie_where_nginx_has_them() -> None:
    """As ngx_ssl_session_ticket_keys reads them: name, HMAC key, AES key; in short files the AES key comes first."""
    assert unpack_ticket_key(LONG, "k") == TicketKey(LONG[:16], cipher_key=LONG[48:], mac_key=LONG[16:48])
    assert unpack_ticket_key(SHORT, "k") == TicketKey(SHORT[:16], cipher_key=SHORT[16:32], mac_key=SHORT[32:])


@pytest.mark.parametrize("size", [0, 47, 49, 79])
def test_other_sizes_are_no_key(size: int) -> None:
    with pytest.raises(TicketKeyError, match=rf"ticket\.key: a ticket key has 80 or 48 bytes, this file {size}; make"):
        unpack_ticket_key(bytes(range(size)), "ticket.key")


@pytest.mark.parametrize("data", [bytes(80), b"0123456789abcdef" * 5, b"0123456789abcdef" * 3])
def test_what_is_not_random_is_no_key(data: bytes) -> None:
    with pytest.raises(TicketKeyError, match="aren't random; make one by: \\(umask 077; openssl rand 80"):
        unpack_ticket_key(data, "ticket.key")


def test_keys_keep_the_order_of_their_files(tmp_path: Path) -> None:
    files = [key_file(tmp_path, "b", SHORT), key_file(tmp_path, "a", LONG, 0o440)]
    assert [key.name for key in read_ticket_keys(files)] == [SHORT[:16], LONG[:16]]


def test_a_file_that_is_too_long_is_not_read_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(TicketKeyError, match="this file more than 80"):
        read_ticket_keys([key_file(tmp_path, "long", LONG * 1000)])


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644])
def test_everybodys_key_is_refused(mode: int, tmp_path: Path) -> None:
    file = key_file(tmp_path, "open", LONG, mode)
    with pytest.raises(TicketKeyError, match=rf"everybody .*; chmod o= {file}"):
        read_ticket_keys([file])


def test_two_keys_of_one_name_are_refused(tmp_path: Path) -> None:
    files = [key_file(tmp_path, "one", LONG), key_file(tmp_path, "two", LONG[:16] + LONG[:15:-1])]
    with pytest.raises(TicketKeyError, match=r"two: begins like .*one"):
        read_ticket_keys(files)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TicketKeyError, match=r"none: can't be read: No such file"):
        read_ticket_keys([tmp_path / "none"])


def test_a_key_does_not_show_itself() -> None:
    assert SHORT.hex() not in repr(unpack_ticket_key(SHORT, "k"))
    assert repr(SHORT[16:32]) not in repr(unpack_ticket_key(SHORT, "k"))
