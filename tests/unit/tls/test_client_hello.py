from __future__ import annotations

import pytest

from ktlsserve.tls.client_hello import HelloReader
from tests.support.record_protection import split_records
from tests.support.tls_client import MemoryClient
from tests.support.tls_server import new_handshake

MAX_FRAGMENT_LENGTH = 1
SERVER_NAME = 0


def hello(*extensions: tuple[int, bytes], session_id: bytes = b"", kind: int = 1) -> bytes:
    """Return a ClientHello message (RFC 8446 section 4.1.2) with these extensions."""
    listed = b"".join(
        number.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content for number, content in extensions
    )
    body = b"\x03\x03" + bytes(32) + bytes((len(session_id),)) + session_id
    body += b"\x00\x04\x13\x01\x13\x02" + b"\x01\x00"
    body += len(listed).to_bytes(2, "big") + listed
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def in_records(message: bytes, most: int = 16384) -> bytes:
    pieces = [message[start : start + most] for start in range(0, len(message), most)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def judge(stream: bytes, most: int = 65536) -> bool | None:
    reader = HelloReader()
    for start in range(0, len(stream), most):
        reader.receive_data(stream[start : start + most])
    return reader.wants_small_records


SMALL = hello((SERVER_NAME, b"\0\x0c\0\0\x09localhost"), (MAX_FRAGMENT_LENGTH, b"\x01"), session_id=bytes(32))
LARGE = hello((SERVER_NAME, b"\0\x0c\0\0\x09localhost"), (23, b""), session_id=bytes(32))


@pytest.mark.parametrize("largest_record", [1, 3, 50, 16384])
@pytest.mark.parametrize("largest_read", [1, 7, 65536])
@pytest.mark.parametrize(("message", "expected"), [(SMALL, True), (LARGE, False)])
def test_the_extension_is_found_in_any_records_and_reads(
    message: bytes, expected: bool, largest_record: int, largest_read: int
) -> None:
    assert judge(in_records(message, largest_record), largest_read) is expected


def test_a_hello_is_judged_when_it_is_complete() -> None:
    stream = in_records(SMALL, 60)
    assert judge(stream[:-1]) is None
    assert judge(stream) is True


def test_the_number_elsewhere_is_no_extension() -> None:
    assert judge(in_records(hello((SERVER_NAME, b"\0\x01\0\x01\x01")))) is False
    assert judge(in_records(hello(session_id=b"\0\x01\0\x01" * 8))) is False


def test_what_follows_the_hello_changes_nothing() -> None:
    reader = HelloReader()
    reader.receive_data(in_records(LARGE))
    reader.receive_data(in_records(SMALL))
    assert reader.wants_small_records is False


@pytest.mark.parametrize(
    "stream",
    [
        in_records(hello((MAX_FRAGMENT_LENGTH, b"\x01"), kind=2)),
        in_records(b"\x01\x00\x00\x00"),
        in_records(b"\x01\x00\x00\x05hello"),
        # The extensions end inside one, or the sizes before them lead nowhere.
        in_records(b"\x01\x00\x00\x2f" + LARGE[4:51]),
        in_records(b"\x01\x00\x00\x23" + bytes(34) + b"\xff"),
    ],
)
def test_what_is_malformed_has_no_extension(stream: bytes) -> None:
    assert judge(stream) is False


def test_records_of_other_types_are_no_part_of_it() -> None:
    change_cipher_spec = b"\x14\x03\x03\x00\x01\x01"
    half = len(SMALL) // 2
    assert judge(in_records(SMALL[:half]) + change_cipher_spec + in_records(SMALL[half:])) is True


def offering_max_fragment_length(stream: bytes) -> bytes:
    """Return OpenSSL's own ClientHello with one more extension, which pyOpenSSL can't ask it for."""
    extension = bytes.fromhex("0001000101")
    message = stream[5:]
    at = 4 + 34
    at += 1 + message[at]
    at += 2 + int.from_bytes(message[at : at + 2], "big")
    at += 1 + message[at]
    extensions = message[at + 2 :] + extension
    body = message[4:at] + len(extensions).to_bytes(2, "big") + extensions
    return in_records(b"\x01" + len(body).to_bytes(3, "big") + body)


@pytest.mark.parametrize("exact", [True, False])
def test_a_handshake_tells_it_of_its_client(exact: bool) -> None:
    plain = MemoryClient().data_to_send()
    for stream, expected in ((offering_max_fragment_length(plain), True), (plain, False)):
        handshake = new_handshake(exact=exact)
        assert handshake.wants_small_records is False
        rest = stream
        while rest:
            count = handshake.wanted
            handshake.receive_data(rest[:count])
            rest = rest[count:]
        assert handshake.wants_small_records is expected
        # OpenSSL agrees to it: its flight is cut into records of 512 bytes, and 256 for their encryption at most.
        sizes = [len(record) for record in split_records(handshake.data_to_send())]
        assert (max(sizes[2:]) <= 5 + 512 + 256) or not expected
