from __future__ import annotations

import pytest

from ktlsserve.http1.dates import format_http_date, parse_http_date

NOW_S = 1_750_000_000  # in June 2025


@pytest.mark.parametrize(
    ("epoch_s", "date"),
    [
        (784111777, b"Sun, 06 Nov 1994 08:49:37 GMT"),
        (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
        (-1, b"Wed, 31 Dec 1969 23:59:59 GMT"),
        (951782400, b"Tue, 29 Feb 2000 00:00:00 GMT"),
        (253402300799, b"Fri, 31 Dec 9999 23:59:59 GMT"),
        (253402300800, b"Fri, 31 Dec 9999 23:59:59 GMT"),
        (10**30, b"Fri, 31 Dec 9999 23:59:59 GMT"),
        (-(10**30), b"Mon, 01 Jan 0001 00:00:00 GMT"),
    ],
)
def test_format(epoch_s: int, date: bytes) -> None:
    assert format_http_date(epoch_s) == date


@pytest.mark.parametrize(
    "value",
    [b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"],
)
def test_the_three_forms_of_rfc_9110(value: bytes) -> None:
    assert parse_http_date(value, NOW_S) == 784111777


@pytest.mark.parametrize(
    ("value", "epoch_s"),
    [
        (b"Sun Nov 16 08:49:37 1994", 784975777),
        (b"Tue, 29 Feb 2000 00:00:00 GMT", 951782400),
        (b"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800),
        # The day of the week isn't compared.
        (b"Mon, 06 Nov 1994 08:49:37 GMT", 784111777),
    ],
)
def test_other_dates(value: bytes, epoch_s: int) -> None:
    assert parse_http_date(value, NOW_S) == epoch_s


@pytest.mark.parametrize(
    ("value", "year"),
    [
        (b"Sunday, 15-Jun-75 00:00:00 GMT", b"2075"),
        (b"Sunday, 16-Jun-75 00:00:00 GMT", b"1975"),
        (b"Sunday, 01-Jan-76 00:00:00 GMT", b"1976"),
        (b"Sunday, 01-Jan-00 00:00:00 GMT", b"2000"),
        (b"Sunday, 01-Jan-26 00:00:00 GMT", b"2026"),
    ],
)
def test_two_digits_are_at_most_fifty_years_ahead(value: bytes, year: bytes) -> None:
    parsed = parse_http_date(value, NOW_S)
    assert parsed is not None
    assert format_http_date(parsed)[12:16] == year


def test_two_digits_across_the_turn_of_a_century() -> None:
    now_s = 2_524_608_000  # 1 January 2050
    parsed = parse_http_date(b"Friday, 01-Jan-00 00:00:00 GMT", now_s)
    assert parsed is not None
    assert format_http_date(parsed) == b"Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"0",
        b"784111777",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"sun, 06 nov 1994 08:49:37 gmt",
        b"Xxx, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 31 Feb 1994 08:49:37 GMT",
        b"Sun, 29 Feb 1900 08:49:37 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun Nov  0 08:49:37 1994",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:00 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT ",
        b"Sun, 06 Nov 1994 08:49:37 GMT\n",
        b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
    ],
)
def test_anything_else_is_no_date(value: bytes) -> None:
    assert parse_http_date(value, NOW_S) is None
