"""The results as files: all of them as JSON for programs, tables as Markdown, a page as HTML."""

from __future__ import annotations

import json
from pathlib import Path

from loadtests.compare.report import Report
from loadtests.compare.report_html import to_html
from loadtests.compare.report_markdown import to_markdown
from loadtests.compare.rows import make_rows, row_to_json
from loadtests.compare.samples import sample_from_json, sample_to_json

_FORMAT = 1
_RESULTS = "results.json"


def save(report: Report, folder: Path) -> list[Path]:
    """Write ``results.json``, ``table.md`` and ``report.html``; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        _RESULTS: to_json(report),
        "table.md": to_markdown(report),
        "report.html": to_html(report),
    }
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in contents]


def read(folder: Path) -> Report:
    """Read the report whose results were saved in ``folder``; its rows are made of its samples."""
    document = json.loads((folder / _RESULTS).read_text(encoding="utf-8"))
    samples = [sample_from_json(sample) for sample in document["samples"]]
    return Report(
        document["command"],
        document["started"],
        document["machine"],
        document["settings"],
        document["versions"],
        document["absent"],
        samples,
        make_rows(samples),
        document["primary"],
    )


def to_json(report: Report) -> str:
    """Return the results for programs."""
    document = {
        "format": _FORMAT,
        "command": report.command,
        "started": report.started,
        "machine": dict(report.machine),
        "settings": dict(report.settings),
        "versions": dict(report.versions),
        "absent": list(report.absent),
        "primary": dict(report.primary),
        "rows": [row_to_json(row) for row in report.rows],
        "samples": [sample_to_json(sample) for sample in report.samples],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
