from __future__ import annotations

import pytest

from ktlsserve.admin.words import UNKNOWN, count_words, day_words, per_second, rate_words, size_words, span_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d 0 h"),
        (400 * 86400 + 3600, "400 d 1 h"),
    ],
)
def test_spans(seconds: float, words: str) -> None:
    assert span_words(seconds) == words


def test_numbers() -> None:
    assert count_words(1234567) == "1,234,567"
    assert size_words(2048) == "2.0 KiB"
    assert rate_words(2_048_000.4) == "2.0 MiB/s"
    assert [per_second(rate) for rate in (0.0, 0.25, 9.94, 10.0, 12345.6)] == [
        "0/s",
        "0.2/s",
        "9.9/s",
        "10/s",
        "12,346/s",
    ]
    assert day_words(0) == "1970-01-01"


def test_what_is_not_known_is_not_zero() -> None:
    assert {count_words(None), size_words(None), rate_words(None), per_second(None)} == {UNKNOWN}
