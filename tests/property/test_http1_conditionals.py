"""Preconditions against RFC 9110 section 13.2.2, written down as its five steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.http1.conditionals import Precondition, evaluate_preconditions, range_applies
from ktlsserve.http1.dates import format_http_date
from ktlsserve.http1.request import Request

NOW_S = 1_750_000_000
TAGS = (b'"a"', b'W/"a"', b'"b"', b'W/"b"')
LISTS = st.none() | st.just([b"*"]) | st.lists(st.sampled_from(TAGS), min_size=1, max_size=3)
TIMES = st.none() | st.integers(NOW_S - 12, NOW_S - 8)
SEPARATORS = st.sampled_from([b",", b", ", b" ,\t", b",,"])


def opaque(tag: bytes) -> bytes:
    return tag.removeprefix(b"W/")


def model(
    match: list[bytes] | None, none_match: list[bytes] | None, times: tuple[int | None, int | None], modified_s: int
) -> Precondition:
    """Take the steps of the section one after another; the entity-tag is ``"a"``, the method GET."""
    since_s, unmodified_s = times
    if match is not None and not (match == [b"*"] or b'"a"' in match):
        return Precondition.FAILED
    if match is None and unmodified_s is not None and modified_s > unmodified_s:
        return Precondition.FAILED
    if none_match is not None:
        found = none_match == [b"*"] or any(opaque(tag) == b'"a"' for tag in none_match)
        return Precondition.NOT_MODIFIED if found else Precondition.MET
    if since_s is not None and modified_s <= since_s:
        return Precondition.NOT_MODIFIED
    return Precondition.MET


@given(LISTS, LISTS, st.tuples(TIMES, TIMES), st.integers(NOW_S - 12, NOW_S - 8), SEPARATORS)
def test_the_order_of_the_rfc(
    match: list[bytes] | None,
    none_match: list[bytes] | None,
    times: tuple[int | None, int | None],
    modified_s: int,
    separator: bytes,
) -> None:
    headers: list[tuple[bytes, bytes]] = []
    if match is not None:
        headers.append((b"if-match", separator.join(match)))
    if none_match is not None:
        # As several lines, which mean the same as one.
        headers += [(b"if-none-match", tag) for tag in none_match]
    for name, time_s in zip((b"if-modified-since", b"if-unmodified-since"), times, strict=True):
        if time_s is not None:
            headers.append((name, format_http_date(time_s)))
    request = Request(b"GET", b"/", b"1.1", tuple(headers), keep_alive=True)
    assert evaluate_preconditions(request, b'"a"', modified_s, NOW_S) is model(match, none_match, times, modified_s)


@given(
    st.sampled_from((b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range")),
    st.binary(max_size=30) | st.lists(st.sampled_from([*TAGS, b"*", b",", b" ", b'"', b"W/"])).map(b"".join),
)
def test_no_value_raises_and_garbage_never_hides_new_content(name: bytes, value: bytes) -> None:
    request = Request(b"GET", b"/", b"1.1", ((name, value),), keep_alive=True)
    verdict = evaluate_preconditions(request, b'"a"', NOW_S - 10, NOW_S)
    applies = range_applies(request, b'"a"', NOW_S - 10, NOW_S)
    if b'"a"' not in value and value != b"*":
        assert verdict is not Precondition.NOT_MODIFIED
        assert applies is (name != b"if-range")
    # Where nothing is known of the file, nothing that a client can say keeps it from getting it, but "*".
    if value != b"*":
        assert evaluate_preconditions(request, None, None, NOW_S) is not Precondition.NOT_MODIFIED
        assert range_applies(request, None, None, NOW_S) is (name != b"if-range")
