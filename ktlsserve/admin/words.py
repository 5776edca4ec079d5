"""Numbers as the status page says them."""

from __future__ import annotations

from datetime import UTC, datetime

from ktlsserve.units import human_size

UNKNOWN = "?"
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def count_words(count: int | None) -> str:
    """Return a whole number in groups of three digits."""
    return UNKNOWN if count is None else f"{count:,}"


def size_words(size_bytes: int | None) -> str:
    """Return an amount of bytes."""
    return UNKNOWN if size_bytes is None else human_size(size_bytes)


def rate_words(bytes_per_s: float | None) -> str:
    """Return bytes per second."""
    return UNKNOWN if bytes_per_s is None else f"{human_size(round(bytes_per_s))}/s"


def per_second(rate: float | None) -> str:
    """Return how often something happens."""
    if rate is None:
        return UNKNOWN
    return f"{rate:,.0f}/s" if rate >= 10 or not rate else f"{rate:.1f}/s"


def span_words(seconds: float) -> str:
    """Return a span of time in its one or two largest units."""
    whole = max(0, int(seconds))
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"


def day_words(epoch_s: float) -> str:
    """Return a day in UTC."""
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%d}"
