from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import loadtests
from ktlsserve.errors import ConfigError
from loadtests.users.document import parse_document
from loadtests.users.results import Run, results
from loadtests.users.tally import HANDSHAKE, Tally
from loadtests.users.thresholds import Thresholds, exceeded, load_thresholds


def found(*, failures: int = 0, cpu_s: float | None = None, trouble: tuple[str, ...] = ()) -> dict[str, Any]:
    """A hundred requests that took 1 to 100 ms, and some that failed."""
    tally = Tally()
    for time_ms in range(1, 101):
        tally.count("GET", "page", time_ms, 10, protocol="HTTP/3")
    for _ in range(failures):
        tally.count("GET", "page", 1, 0, error="no answer")
    tally.count(HANDSHAKE, "QUIC", 30, 0)
    return results(tally, Run(1.0, cpu_s=cpu_s, trouble=trouble))


def parsed(text: str) -> Thresholds:
    return parse_document(Thresholds, text)


def test_those_that_come_with_it_are_kept() -> None:
    thresholds = load_thresholds(Path(loadtests.__file__).parent / "thresholds.toml")
    assert exceeded(thresholds, found()) == []
    assert len(exceeded(thresholds, found(failures=1))) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("failures_share = 0.1", "failures: 25 of 125 (20 %), allowed 10 %: 10 % too many"),
        ("p99_ms = 90", "p99_ms of page: 99 ms, allowed 90 ms: 9 ms (10 %) too much"),
        ("handshake_p99_ms = 20", "p99_ms of QUIC: 30 ms, allowed 20 ms: 10 ms (50 %) too much"),
        (
            "cpu_ms_per_request = 3",
            "processor time of the server per request: 4 ms, allowed 3 ms: 1 ms (33.3 %) too much",
        ),
        ('[[row]]\nname = "page"\np50_ms = 40', "p50_ms of page: 50 ms, allowed 40 ms: 10 ms (25 %) too much"),
        ('[[row]]\nname = "page"\np95_ms = 0', "p95_ms of page: 95 ms, allowed 0 ms: 95 ms too much"),
        (
            '[[row]]\nname = "page"\nfailures_share = 0.15',
            "failures of page: 25 of 125 (20 %), allowed 15 %: 5 % too many",
        ),
        ('[[row]]\nname = "pages"', 'no request was made that is called "pages"'),
        ("least_requests = 200", "125 requests were made, fewer than 200"),
    ],
)
def test_what_is_exceeded_and_by_how_much(text: str, sentence: str) -> None:
    allowed = "" if text.startswith("failures_share") else "failures_share = 0.5\n"
    assert exceeded(parsed(allowed + text), found(failures=25, cpu_s=0.5)) == [sentence]


@pytest.mark.parametrize(
    "text",
    [
        "p99_ms = 99",
        "handshake_p99_ms = 30",
        "cpu_ms_per_request = 5",
        "least_requests = 100",
        # A row's own goes before that of all.
        'p99_ms = 1\n[[row]]\nname = "page"\np99_ms = 99',
    ],
)
def test_what_is_just_kept(text: str) -> None:
    assert exceeded(parsed(text), found(cpu_s=0.5)) == []


def test_a_run_without_requests_is_no_good_one() -> None:
    assert exceeded(Thresholds(), results(Tally(), Run(1.0))) == ["0 requests were made, fewer than 1"]


def test_trouble_is_red_whatever_the_figures() -> None:
    assert exceeded(Thresholds(), found(trouble=("worker a is lost",))) == ["worker a is lost"]


def test_a_limit_for_what_wasnt_measured() -> None:
    (sentence,) = exceeded(parsed("cpu_ms_per_request = 3"), found())
    assert "wasn't measured" in sentence


def test_unknown_keys_and_rows_twice() -> None:
    with pytest.raises(ConfigError, match="p99: unknown key; did you mean p99_ms"):
        parsed("p99 = 3")
    with pytest.raises(ConfigError, match=r'row\[1\].name: "a" has thresholds already'):
        parsed('[[row]]\nname = "a"\n[[row]]\nname = "a"\np99_ms = 1\n')
