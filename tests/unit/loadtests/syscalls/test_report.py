from __future__ import annotations

import pytest

from loadtests.syscalls.report import percent, render, size
from tests.support.call_measurements import exact_results


def rows(report: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in report.splitlines() if line[:1] == "|"]


def test_claims_stand_beside_what_was_found() -> None:
    table = {row[0]: row[1:] for row in rows(render(exact_results()))}
    assert table["sendmmsg"] != table["GSO"]
    found = {name: row for name, *row in rows(render(exact_results())) if len(row) == 5}
    assert found["**as claimed**"] == ["3 parts", "1 part", "300 %", "9.4 %", "30"]
    assert found["getppid, and a copy from the cache"] == ["300", "100", "300 %", "9.4 %", "30"]
    assert found["sendmmsg"] == ["300", "900", "33 %", "1.0 %", "3"]
    assert found["sendfile"][:2] == ["500", "60"]


def test_every_case_has_a_row() -> None:
    found = rows(render(exact_results()))
    assert ["sendto", "1", "1,200 (1,200 to 1,200)", "1,200", "1.00", "9.81", "10"] in found
    assert ["sendmmsg", "128", "902 (902 to 902)", "115,500", "1.33", "13.1", "10"] in found
    # 20 packets of 1500 bytes, 60 ns each for the sender and 40 for the receiver, and the call.
    assert ["29 KiB", "1,700 (1,700 to 1,700)", "85", "125", "141", "10"] in found
    assert ["32", "384", "38.4", "3.84"] in found


def test_what_is_missing_is_said() -> None:
    assert "## Not measured" not in render(exact_results())
    results = exact_results(absent=["GSO: this kernel has no UDP_SEGMENT"])
    results.measured[0].problems.append("call/0/1: something")
    report = render(results)
    assert "## Not measured\n\n- GSO: this kernel has no UDP_SEGMENT\n- call/0/1: something\n" in report


@pytest.mark.parametrize(("part", "text"), [(3.0, "300 %"), (0.1, "10 %"), (0.09375, "9.4 %"), (51.65, "5165 %")])
def test_parts_are_percentages(part: float, text: str) -> None:
    assert percent(part) == text


@pytest.mark.parametrize(("size_bytes", "text"), [(4096, "4 KiB"), (1 << 20, "1 MiB"), (4 << 20, "4 MiB")])
def test_sizes(size_bytes: int, text: str) -> None:
    assert size(size_bytes) == text
