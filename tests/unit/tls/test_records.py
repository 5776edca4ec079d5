from __future__ import annotations

import pytest

from ktlsserve.tls.records import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEADER_BYTES,
    MAX_BODY_BYTES,
    RecordCounter,
    RecordReader,
)


def record(content_type: int, body: bytes = b"body") -> bytes:
    return bytes((content_type, 3, 3)) + len(body).to_bytes(2, "big") + body


def read_all(reader: RecordReader, stream: bytes) -> list[bytes]:
    """Read as a caller who trusts ``wanted``."""
    found = []
    while stream:
        count = reader.wanted
        done = reader.receive_data(stream[:count])
        stream = stream[count:]
        if done is not None:
            found.append(done)
    return found


def test_a_record_is_read_header_first_and_not_a_byte_further() -> None:
    reader = RecordReader()
    whole = record(HANDSHAKE, b"x" * 300)
    assert reader.wanted == HEADER_BYTES
    assert reader.receive_data(whole[:5]) is None
    assert reader.wanted == 300
    assert reader.receive_data(whole[5:]) == whole
    assert reader.wanted == HEADER_BYTES


def test_records_come_out_as_they_went_in() -> None:
    records = [record(HANDSHAKE), record(CHANGE_CIPHER_SPEC, b"\x01"), record(APPLICATION_DATA, bytes(16401))]
    assert read_all(RecordReader(), b"".join(records)) == records


def test_bytes_may_come_one_by_one() -> None:
    reader = RecordReader()
    whole = record(HANDSHAKE, b"abc")
    wanted = []
    for position in range(len(whole) - 1):
        wanted.append(reader.wanted)
        assert reader.receive_data(whole[position : position + 1]) is None
    assert wanted == [5, 4, 3, 2, 1, 3, 2]
    assert reader.receive_data(whole[-1:]) == whole


def test_a_record_without_content_is_whole_with_its_header() -> None:
    reader = RecordReader()
    empty = record(APPLICATION_DATA, b"")
    assert reader.receive_data(empty) == empty
    assert reader.wanted == HEADER_BYTES
    assert reader.receive_data(empty[:2]) is None
    assert reader.receive_data(empty[2:]) == empty


def test_the_largest_record_is_taken_whole_and_of_a_larger_one_the_header() -> None:
    largest = record(APPLICATION_DATA, bytes(MAX_BODY_BYTES))
    assert MAX_BODY_BYTES == 2**14 + 2048
    assert read_all(RecordReader(), largest) == [largest]
    for length in (MAX_BODY_BYTES + 1, 0xFFFF):
        header = record(APPLICATION_DATA, bytes(length))[:HEADER_BYTES]
        reader = RecordReader()
        assert reader.receive_data(header) == header
        assert reader.wanted == HEADER_BYTES


def test_what_is_expected_is_wanted_at_once() -> None:
    first, second, third = record(CHANGE_CIPHER_SPEC, b"\x01"), record(APPLICATION_DATA, bytes(50)), record(ALERT)
    stream = first + second + third
    reader = RecordReader()
    reader.expect(37)
    assert reader.wanted == 37
    assert reader.receive_data(stream[:20]) == first
    assert (reader.wanted, reader.partial_bytes) == (len(first + second) - 20, 14)
    assert reader.receive_data(stream[20 : len(first + second)]) == second
    assert (reader.wanted, reader.partial_bytes) == (HEADER_BYTES, 0)
    # Less than what is missing anyway, or than what is held, changes nothing.
    reader.expect(3)
    assert reader.wanted == HEADER_BYTES
    assert reader.receive_data(third[:5]) is None
    reader.expect(5)
    assert reader.wanted == len(third) - 5
    reader.expect(5 + len(third))
    assert reader.wanted == len(third)
    assert reader.receive_data(third[5:] + first[:2]) == third
    assert (reader.wanted, reader.partial_bytes) == (3, 2)


def test_more_bytes_than_wanted_are_a_bug_of_the_caller() -> None:
    reader = RecordReader()
    with pytest.raises(ValueError, match="more bytes than wanted"):
        reader.receive_data(bytes(6))
    reader = RecordReader()
    reader.receive_data(record(HANDSHAKE, b"abc")[:5])
    with pytest.raises(ValueError, match="more bytes than wanted"):
        reader.receive_data(b"abcd")


def test_application_data_is_counted_by_its_outer_type() -> None:
    counter = RecordCounter()
    counter.receive_data(record(HANDSHAKE) + record(APPLICATION_DATA) + record(ALERT) + record(APPLICATION_DATA))
    assert counter.application_data == 2


def test_only_whole_records_count() -> None:
    counter = RecordCounter()
    stream = record(APPLICATION_DATA, bytes(1000))
    for position in range(0, len(stream), 100):
        assert counter.application_data == 0
        counter.receive_data(stream[position : position + 100])
    assert counter.application_data == 1


def test_a_header_may_be_split() -> None:
    counter = RecordCounter()
    for byte in record(APPLICATION_DATA) * 2:
        counter.receive_data(bytes((byte,)))
    assert counter.application_data == 2


def test_records_after_the_change_of_keys_are_counted_from_zero() -> None:
    counter = RecordCounter()
    counter.receive_data(record(HANDSHAKE) * 3)
    assert counter.after_change_cipher_spec == 3
    counter.receive_data(record(CHANGE_CIPHER_SPEC, b"\x01"))
    assert counter.after_change_cipher_spec == 0
    counter.receive_data(record(HANDSHAKE))
    assert counter.after_change_cipher_spec == 1
    counter.receive_data(record(ALERT) + record(APPLICATION_DATA))
    assert counter.after_change_cipher_spec == 3


def test_records_without_content_are_counted_too() -> None:
    counter = RecordCounter()
    counter.receive_data(record(APPLICATION_DATA, b"") * 2)
    assert counter.application_data == 2
