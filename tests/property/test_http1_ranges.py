"""Range selection and multipart bodies against models that mark and copy single bytes."""

from __future__ import annotations

import email
import email.policy

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.http1.ranges import MAX_RANGES, multipart_body, multipart_boundary, select_ranges
from ktlsserve.http1.reply import FileSlice
from tests.support.memory_site import memory_file, read_memory_slice

SIZES = st.integers(1, 30)
SPECS = st.one_of(
    st.tuples(st.integers(0, 35), st.integers(0, 35)).map(lambda pair: b"%d-%d" % (min(pair), max(pair))),
    st.integers(0, 35).map(lambda first: b"%d-" % first),
    st.integers(0, 35).map(lambda count: b"-%d" % count),
)
SETS = st.lists(SPECS, min_size=1, max_size=8)


def bytes_of(spec: bytes, size: int) -> set[int]:
    """Say which bytes of the file one valid spec names, by looking at each."""
    first, last = spec.split(b"-")
    if not first:
        return {at for at in range(size) if at >= size - int(last)}
    return {at for at in range(size) if at >= int(first) and (not last or at <= int(last))}


@given(SETS, SIZES)
def test_exactly_the_bytes_that_were_asked_for(specs: list[bytes], size: int) -> None:
    ranges = select_ranges(b"bytes=" + b", ".join(specs), size)
    assert ranges is not None
    wanted = set().union(*(bytes_of(spec, size) for spec in specs))
    sent = [at for part in ranges for at in range(part.offset, part.offset + part.count)]
    assert sorted(sent) == sorted(wanted), "each byte once"
    assert all(part.count > 0 for part in ranges)


@given(SETS, SIZES)
def test_parts_come_in_the_order_in_which_they_were_asked_for(specs: list[bytes], size: int) -> None:
    ranges = select_ranges(b"bytes=" + b",".join(specs), size)
    assert ranges is not None
    asked = [named for spec in specs if (named := bytes_of(spec, size))]
    first_asked = [
        min(number for number, named in enumerate(asked) if part.offset <= min(named) < part.offset + part.count)
        for part in ranges
    ]
    assert first_asked == sorted(first_asked)


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda text: b"bytes=" + text), st.integers(0, 2**63 - 1))
def test_no_field_raises_and_nothing_lies_outside(value: bytes, size: int) -> None:
    for part in select_ranges(value, size) or ():
        assert part.offset >= 0
        assert part.count > 0
        assert part.offset + part.count <= size


@given(SPECS, st.integers(MAX_RANGES + 1, 4 * MAX_RANGES), SIZES)
def test_too_many_ranges_get_the_whole(spec: bytes, number: int, size: int) -> None:
    assert select_ranges(b"bytes=" + b",".join([spec] * number), size) is None


@given(st.binary(min_size=1, max_size=60), SETS)
def test_a_mail_parser_reads_the_multipart_body(content: bytes, specs: list[bytes]) -> None:
    file = memory_file(content)
    ranges = select_ranges(b"bytes=" + b",".join(specs), len(content))
    if not ranges:
        return
    boundary = multipart_boundary(file.etag, ranges)
    body = multipart_body(file, b"application/octet-stream", ranges, boundary)
    data = b"".join(read_memory_slice(part) if isinstance(part, FileSlice) else part for part in body)
    assert file.uses == len(ranges)
    *texts, end = data.split(b"--" + boundary)[1:]
    assert end == b"--\r\n"
    for text, part in zip(texts, ranges, strict=True):
        head, _, payload = text.partition(b"\r\n\r\n")
        message = email.message_from_bytes(head.lstrip(b"\r\n") + b"\r\n\r\n", policy=email.policy.HTTP)
        assert message["Content-Range"] == part.content_range(len(content)).decode()
        assert message["Content-Type"] == "application/octet-stream"
        assert payload == content[part.offset : part.offset + part.count] + b"\r\n"
