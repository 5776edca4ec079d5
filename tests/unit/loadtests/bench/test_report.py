from __future__ import annotations

from loadtests.bench.comparing import Spread, compare
from loadtests.bench.report import Report, number, ratio, render
from loadtests.bench.samples import Sample
from loadtests.bench.targets import judge

CASE = "plain/1KiB/same/keep-alive/16"
SAMPLES = [
    Sample(CASE, "ktlsserve", 0, {"requests_per_s": 26000.0, "server_busy": 0.5}),
    Sample(CASE, "nginx", 0, {"requests_per_s": 20000.0, "server_busy": 0.4}),
    Sample(CASE, "ktlsserve", 1, {"requests_per_s": 24000.0, "server_busy": 0.5}),
    Sample(CASE, "nginx", 1, {"requests_per_s": 20000.0, "server_busy": 0.4}),
    Sample(CASE, "caddy", 0, problem="wrk counted errors:\nstatus 3"),
    Sample("plain/system-calls/1KiB", "nginx", 0, {"syscalls_per_request": 8.1}, detail="close 1.01 | read 1.00"),
]


def rendered() -> str:
    figures = compare(SAMPLES, {"ktlsserve": ["nginx"]})
    absent = ["granian: granian isn't installed: pip install granian"]
    return render(Report("command", {"kernel": "6.12"}, {"nginx": "1.22.1"}, absent, SAMPLES, figures, judge(figures)))


def test_a_case_is_one_table() -> None:
    assert (
        "| peer | ratio to | requests/s ↑ | server's share of its CPU ↑ |\n"
        "| --- | --- | --- | --- |\n"
        "| ktlsserve | nginx | 25,000 · 1.25 (1.20 to 1.30) | 0.5 |\n"
        "| nginx |  | 20,000 | 0.4 |\n"
    ) in rendered()


def test_what_failed_is_no_row_but_a_reason_on_one_line() -> None:
    text = rendered()
    assert "- caddy: failed: wrk counted errors: status 3\n" in text
    assert "| caddy" not in text


def test_details_stand_below_their_table() -> None:
    assert "| nginx |  | 8.1 |\n\n- nginx: close 1.01 | read 1.00\n" in rendered()


def test_what_is_missing_is_said() -> None:
    assert "## Not measured\n\n- granian: granian isn't installed: pip install granian\n" in rendered()


def test_targets_are_judged() -> None:
    assert f"| {CASE} | ktlsserve | requests/s | nginx | ≥ 1.30 | 1.25 | **missed** |  |  |" in rendered()


def test_numbers_are_short() -> None:
    assert [number(value) for value in (0.012345, 3.14159, 999.4, 1000.0, 4_276_335_731.1)] == [
        "0.0123",
        "3.14",
        "999",
        "1,000",
        "4,276,335,731",
    ]


def test_one_round_has_no_spread() -> None:
    assert ratio(Spread(1.234, 1.234, 1.234, 1)) == "1.23"
