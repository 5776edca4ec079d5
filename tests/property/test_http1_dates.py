"""Dates: what is formatted is parsed again, and nothing that comes from the wire raises."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.http1.dates import format_http_date, parse_http_date

FIRST_S = -62135596800
LAST_S = 253402300799
NOW_S = 1_750_000_000
EPOCHS = st.integers(FIRST_S, LAST_S)


@given(EPOCHS)
def test_a_formatted_date_is_parsed_again(epoch_s: int) -> None:
    assert parse_http_date(format_http_date(epoch_s), NOW_S) == epoch_s


@given(EPOCHS.filter(lambda epoch_s: epoch_s >= 0))
def test_the_standard_library_formats_alike(epoch_s: int) -> None:
    assert format_http_date(epoch_s) == format_datetime(datetime.fromtimestamp(epoch_s, UTC), usegmt=True).encode()


@given(st.integers(NOW_S - 49 * 366 * 86400, NOW_S + 49 * 365 * 86400))
def test_the_older_forms_say_the_same(epoch_s: int) -> None:
    when = datetime.fromtimestamp(epoch_s, UTC)
    assert parse_http_date(when.strftime("%A, %d-%b-%y %H:%M:%S GMT").encode(), NOW_S) == epoch_s
    assert parse_http_date(when.strftime(f"%a %b {when.day:2} %H:%M:%S %Y").encode(), NOW_S) == epoch_s


@given(st.integers())
def test_every_time_has_a_date_of_29_bytes(epoch_s: int) -> None:
    assert len(format_http_date(epoch_s)) == 29


@given(st.binary(max_size=40), st.integers(0, LAST_S))
def test_no_value_raises(value: bytes, now_s: int) -> None:
    parsed = parse_http_date(value, now_s)
    assert parsed is None or FIRST_S <= parsed <= LAST_S


@given(
    st.from_regex(rb"(Sun|Mon), [0-9]{2} (Feb|Jun|Dec) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT", fullmatch=True)
    | st.from_regex(rb"(Sunday), [0-9]{2}-(Feb|Jun)-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT", fullmatch=True),
    st.integers(0, LAST_S),
)
def test_a_parsed_date_names_its_own_day(value: bytes, now_s: int) -> None:
    parsed = parse_http_date(value, now_s)
    # A leap second is the first second of the next minute.
    if parsed is not None and b":60 " not in value:
        assert format_http_date(parsed)[5:7] == value.partition(b", ")[2][:2]
