"""HTTP dates (RFC 9110 section 5.6.7)."""

from __future__ import annotations

import re
import time
from calendar import monthrange, timegm
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBER = {name.encode(): number for number, name in enumerate(_MONTHS, 1)}

# The form has four digits for the year; file times can lie outside of that.
_FIRST_S = -62135596800
_LAST_S = 253402300799

_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = rb"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTH = rb"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = rb"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
_FORMS = (
    # IMF-fixdate:    Sun, 06 Nov 1994 08:49:37 GMT
    re.compile(_DAY + rb", (?P<day>[0-9]{2}) " + _MONTH + rb" (?P<year>[0-9]{4}) " + _TIME + rb" GMT"),
    # RFC 850:        Sunday, 06-Nov-94 08:49:37 GMT
    re.compile(_LONG_DAY + rb", (?P<day>[0-9]{2})-" + _MONTH + rb"-(?P<year>[0-9]{2}) " + _TIME + rb" GMT"),
    # asctime:        Sun Nov  6 08:49:37 1994
    re.compile(_DAY + rb" " + _MONTH + rb" (?P<day>[0-9]{2}| [0-9]) " + _TIME + rb" (?P<year>[0-9]{4})"),
)


@lru_cache(maxsize=64)
def format_http_date(epoch_s: int) -> bytes:
    """Format seconds since the epoch as an IMF-fixdate, always 29 bytes.

    Times outside of the years 1 to 9999 become the nearest time inside. Within one second every reply has the same
    Date, hence the cache.
    """
    t = time.gmtime(min(max(epoch_s, _FIRST_S), _LAST_S))
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year:04} "
        f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT"
    ).encode()


def parse_http_date(value: bytes, now_s: int) -> int | None:
    """Return the seconds since the epoch of any of the three forms, or None for anything else.

    ``now_s`` settles the century of the two-digit year in the RFC 850 form: a date that seems more than 50 years ahead
    lies in the past. The name of the day must be one, but isn't compared with the date: no recipient needs it.
    """
    for form in _FORMS:
        match = form.fullmatch(value)
        if match is not None:
            break
    else:
        return None
    month = _MONTH_NUMBER[match["month"]]
    clock = (int(match["hour"]), int(match["minute"]), int(match["second"]))
    year, day = int(match["year"]), int(match["day"])
    if len(match["year"]) == 2:
        year = _full_year(year, month, day, now_s)
    if not year or not 1 <= day <= monthrange(year, month)[1]:
        return None
    return timegm((year, month, day, *clock))


def _full_year(two_digits: int, month: int, day: int, now_s: int) -> int:
    """Choose the last year with these digits that isn't more than 50 years ahead (RFC 9110 section 5.6.7)."""
    now = time.gmtime(now_s)
    year = (now.tm_year + 50) // 100 * 100 + two_digits
    latest = (now.tm_year + 50, now.tm_mon, now.tm_mday)
    return year if (year, month, day) <= latest else year - 100
