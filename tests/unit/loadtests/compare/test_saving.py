from __future__ import annotations

import json
from pathlib import Path

from loadtests.compare.samples import sample_from_json
from loadtests.compare.saving import save
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
