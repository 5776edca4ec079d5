from __future__ import annotations

import logging

import pytest

from ktlsserve.observe.repeats import Repeats


def test_it_warns_once_a_minute_and_counts_all(caplog: pytest.LogCaptureFixture) -> None:
    repeats = Repeats(logging.getLogger("test"), "too much")
    for number in range(1000):
        repeats.note(f"client {number}", 50.0 + number / 1000)
    assert caplog.messages == ["client 0: too much (1 since the last such message)"]
    repeats.note("the last", 110.0)
    assert caplog.messages[1:] == ["the last: too much (1000 since the last such message)"]
    assert repeats.count == 1001
