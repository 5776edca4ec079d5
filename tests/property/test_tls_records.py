from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.tls.client_hello import HelloReader
from ktlsserve.tls.records import HEADER_BYTES, MAX_BODY_BYTES, RecordCounter, RecordReader

CHANGE_CIPHER_SPEC = 20
APPLICATION_DATA = 23

bodies = st.one_of(st.binary(max_size=40), st.integers(0, MAX_BODY_BYTES).map(bytes))
records = st.builds(
    lambda content_type, body: bytes((content_type, 3, 3)) + len(body).to_bytes(2, "big") + body,
    st.sampled_from([20, 21, 22, 23, 24]),
    bodies,
)
streams = st.lists(records, max_size=12)
sizes = st.lists(st.integers(1, 70), min_size=1, max_size=20)


def pieces(stream: bytes, step_sizes: list[int]) -> list[bytes]:
    """Cut a stream into pieces of these sizes, over and over."""
    cut, position, number = [], 0, 0
    while position < len(stream):
        # Large bodies are no more interesting byte by byte.
        size = step_sizes[number % len(step_sizes)] * (1 + len(stream) // 2000)
        cut.append(stream[position : position + size])
        position += size
        number += 1
    return cut


@given(streams, sizes)
def test_records_come_out_whole_from_any_reads(expected: list[bytes], step_sizes: list[int]) -> None:
    reader, stream = RecordReader(), b"".join(expected)
    boundaries = {0}
    for record in expected:
        boundaries.add(max(boundaries) + len(record))
    found, position, number = [], 0, 0
    while position < len(stream):
        # It never wants a byte that may belong to the next record.
        assert reader.wanted >= 1
        assert position + reader.wanted <= min(end for end in boundaries if end > position)
        step = min(step_sizes[number % len(step_sizes)] * (1 + len(stream) // 2000), reader.wanted)
        whole = reader.receive_data(stream[position : position + step])
        position += step
        number += 1
        assert (whole is not None) == (position in boundaries)
        if whole is not None:
            found.append(whole)
            assert reader.wanted == HEADER_BYTES
    assert found == expected


@given(streams, sizes, st.data())
def test_what_is_expected_is_read_over_boundaries_and_nothing_else(
    expected: list[bytes], step_sizes: list[int], data: st.DataObject
) -> None:
    """At any moment ``expect`` may be called, with what is held of a record or without."""
    reader, stream = RecordReader(), b"".join(expected)
    ends = [0]
    for record in expected:
        ends.append(ends[-1] + len(record))
    found, position, number, certain = b"", 0, 0, 0
    while position < len(stream):
        if data.draw(st.integers(0, 9)) == 0:
            count = data.draw(st.integers(0, 100))
            reader.expect(count)
            certain = max(certain, len(found) + count)
        boundary = min(end for end in ends if end > position)
        assert reader.wanted >= 1
        assert position + reader.wanted <= max(certain, boundary)
        step = min(step_sizes[number % len(step_sizes)] * (1 + len(stream) // 2000), reader.wanted)
        whole = reader.receive_data(stream[position : position + step])
        position = min(position + step, len(stream))
        number += 1
        found += whole or b""
        assert len(found) == max(end for end in ends if end <= position)
        assert reader.partial_bytes == position - len(found)
    assert found == stream


@given(streams, sizes, st.integers(0, 6))
def test_records_are_counted_as_a_simple_parser_does(expected: list[bytes], step_sizes: list[int], cut: int) -> None:
    # The last bytes may be missing, so that the last record isn't whole.
    stream = b"".join(expected)
    stream = stream[: len(stream) - cut] if cut else stream
    counter = RecordCounter()
    for piece in pieces(stream, step_sizes):
        counter.receive_data(piece)
    whole, after_change, application_data = stream, 0, 0
    while len(whole) >= HEADER_BYTES and len(whole) >= HEADER_BYTES + int.from_bytes(whole[3:5], "big"):
        content_type = whole[0]
        whole = whole[HEADER_BYTES + int.from_bytes(whole[3:5], "big") :]
        after_change = 0 if content_type == CHANGE_CIPHER_SPEC else after_change + 1
        application_data += content_type == APPLICATION_DATA
    assert (counter.after_change_cipher_spec, counter.application_data) == (after_change, application_data)


@given(st.binary(max_size=400), sizes)
def test_any_bytes_are_one_verdict_in_any_pieces(stream: bytes, step_sizes: list[int]) -> None:
    """Whatever a client sends first: no exception, and the same answer however it was cut."""
    at_once, bit_by_bit = HelloReader(), HelloReader()
    at_once.receive_data(stream)
    for piece in pieces(stream, step_sizes):
        bit_by_bit.receive_data(piece)
    assert at_once.wants_small_records is bit_by_bit.wants_small_records


extensions = st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=12)), max_size=8)


@given(st.binary(max_size=32), extensions, sizes, sizes)
def test_the_extension_is_found_wherever_it_is(
    session_id: bytes, listed: list[tuple[int, bytes]], record_sizes: list[int], step_sizes: list[int]
) -> None:
    packed = b"".join(kind.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data for kind, data in listed)
    body = b"\x03\x03" + bytes(32) + bytes((len(session_id),)) + session_id + b"\0\2\x13\1\1\0"
    body += len(packed).to_bytes(2, "big") + packed
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    stream = b"".join(
        b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces(message, record_sizes)
    )
    reader = HelloReader()
    for piece in pieces(stream, step_sizes):
        assert reader.wants_small_records is None
        reader.receive_data(piece)
    # max_fragment_length has one byte (RFC 6066 section 4).
    assert reader.wants_small_records is any(kind == 1 and len(data) == 1 for kind, data in listed)
