from __future__ import annotations

import re
from dataclasses import replace

from loadtests.compare.report import limits
from loadtests.compare.report_markdown import to_markdown
from loadtests.compare.samples import Unit
from loadtests.compare.words import INSTRUCTIONS_LIMITS
from tests.support.comparison import sample_report

TEXT = to_markdown(sample_report())


def tables(text: str) -> list[list[list[str]]]:
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()] for block in blocks]


def test_every_table_is_rectangular() -> None:
    for table in tables(TEXT):
        assert len({len(line) for line in table}) == 1


def test_units_never_share_a_table() -> None:
    heads = [" ".join(table[0]) for table in tables(TEXT)]
    assert any("instructions" in head for head in heads)
    assert not any("instructions" in head and " s/" in head for head in heads)


def test_a_refused_row_says_so_where_its_figures_would_be() -> None:
    red = [line for table in tables(TEXT) for line in table if line[0] == "qh3"]
    assert red
    assert all(line[3] == "refused" and set(line[4:]) <= {"–"} for line in red)
    assert "**qh3 refused**: 3 of 12 requests failed" in TEXT


def test_what_is_missing_is_named() -> None:
    assert "- caddy-h3: caddy isn't installed: apt-get install caddy" in TEXT
    assert "## Not measured" not in to_markdown(replace(sample_report(), absent=[]))


def test_what_instructions_do_not_show_is_said_where_there_are_some() -> None:
    assert set(INSTRUCTIONS_LIMITS) <= set(limits([Unit.SECONDS, Unit.INSTRUCTIONS]))
    assert not set(INSTRUCTIONS_LIMITS) & set(limits([Unit.SECONDS]))


def test_the_finding_stands_before_its_tables() -> None:
    assert "ktlsserve: CPU s/GB 0.9; nginx-tls 1.1×, nginx-h3-gso 2.5×, aioquic 87×." in TEXT
