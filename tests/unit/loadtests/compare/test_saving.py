from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests.bench.peers import CHECKOUT
from loadtests.compare.samples import sample_from_json
from loadtests.compare.saving import read, save
from tests.support.comparison import sample_report


def test_results_are_saved_for_programs_and_people(tmp_path: Path) -> None:
    report = sample_report()
    files = save(report, tmp_path / "new" / "folder")
    assert [file.name for file in files] == ["results.json", "table.md", "report.html"]
    document = json.loads(files[0].read_text(encoding="utf-8"))
    assert document["machine"] == report.machine
    assert document["settings"] == report.settings
    assert document["absent"] == report.absent
    assert len(document["rows"]) == len(report.rows)
    assert [sample_from_json(sample) for sample in document["samples"]] == report.samples
    red = [row["server"] for row in document["rows"] if row["problem"]]
    assert set(red) == {"qh3"}


def test_a_report_comes_back_from_its_results(tmp_path: Path) -> None:
    save(sample_report(), tmp_path)
    assert read(tmp_path) == sample_report()


@pytest.mark.parametrize("name", ["results.json", "table.md", "report.html"])
def test_the_result_that_is_kept_is_what_its_samples_say_now(tmp_path: Path, name: str) -> None:
    """Whoever changes the report makes it anew: save(read(folder), folder)."""
    kept = CHECKOUT / "loadtests" / "baseline"
    save(read(kept), tmp_path)
    assert (tmp_path / name).read_text(encoding="utf-8") == (kept / name).read_text(encoding="utf-8")
