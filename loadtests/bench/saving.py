"""The results as files: all of them as JSON, a report as Markdown, a picture as SVG."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from loadtests.bench.plot import plot
from loadtests.bench.report import Report, render

_FORMAT = 1


def save(report: Report, folder: Path) -> list[Path]:
    """Write ``bench.json``, ``bench.md`` and ``bench.svg``; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "format": _FORMAT,
        **asdict(report),
        "verdicts": [{**asdict(verdict), "met": verdict.target.met_by(verdict.ratio)} for verdict in report.verdicts],
    }
    contents = {
        "bench.json": json.dumps(document, indent=1) + "\n",
        "bench.md": render(report),
        "bench.svg": plot(report.figures),
    }
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in contents]
