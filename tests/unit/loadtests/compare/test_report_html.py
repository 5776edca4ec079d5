from __future__ import annotations

import re
from html.parser import HTMLParser

from loadtests.compare.report_html import to_html
from tests.support.comparison import sample_report

PAGE = to_html(sample_report())
_VOID = {"meta", "link"}


class Balance(HTMLParser):
    """Follows which elements are open, and fails at an end that doesn't belong to the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)
        self.links += [str(value) for name, value in attrs if name in {"src", "href", "srcset"}]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing() -> None:
    parser = Balance()
    parser.feed(PAGE)
    assert parser.open == []
    assert parser.links == ["data:,"]
    assert "@import" not in PAGE
    assert "url(" not in PAGE
    assert "<script" not in PAGE


def test_what_servers_say_is_text() -> None:
    assert "&lt;b&gt;other&lt;/b&gt; bytes &amp; so on" in PAGE
    assert "<b>other" not in PAGE


def test_there_is_a_plot_for_what_each_section_is_about() -> None:
    titles = re.findall(r"<title>([^<]*)</title>", PAGE)[1:]
    assert "CPU s/GB: large, MTU 1500 (seconds, on this machine)" in titles
    assert "instructions/GB: 64 MiB once, MTU 1500 (instructions, on an emulated machine)" in titles
    # Beside it the system calls, for the four sections in seconds.
    assert len(titles) == 5 + 4


def test_a_refused_row_is_red_and_has_no_figure() -> None:
    rows = re.findall(r'<tr class="red">.*?</tr>', PAGE)
    assert rows
    for row in rows:
        cells = re.findall(r"<span>(.*?)</span>", row)
        assert cells[0] == "qh3"
        assert set(cells[2:]) == {"refused"}


def test_what_it_does_not_show_is_said() -> None:
    for words in ("without GRO", "The client is the bottleneck", "65536 flatters", "aioquic measures Python"):
        assert words in PAGE
