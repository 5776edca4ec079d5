"""Reads the page of a listing back, as a browser would."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(slots=True)
class Row:
    """A row of the table: the link, its text, the size's exact value and its text, the time."""

    href: str
    text: str = ""
    size: str | None = None
    size_title: str | None = None
    size_text: str = ""
    time: str | None = None


@dataclass(slots=True)
class ListingPage:
    """What a page says; ``tags`` counts its elements, ``attributes`` are the names of all attributes."""

    title: str = ""
    rows: list[Row] = field(default_factory=list)
    crumbs: list[tuple[str | None, str]] = field(default_factory=list)
    sort_links: list[tuple[str, str | None]] = field(default_factory=list)
    notes: str = ""
    style: str = ""
    tags: dict[str, int] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = ListingPage()
        self.path: list[str] = []
        self.sorted_by: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags[tag] = self.page.tags.get(tag, 0) + 1
        self.page.attributes |= {name for name, _ in attrs}
        values = dict(attrs)
        if tag in ("meta", "link", "br", "img"):
            return
        self.path.append(tag)
        if tag == "th":
            self.sorted_by = values.get("aria-sort")
        elif tag == "a" and "th" in self.path:
            self.page.sort_links.append((values["href"] or "", self.sorted_by))
        elif tag == "a" and "nav" in self.path:
            self.page.crumbs.append((values["href"], ""))
        elif tag == "span" and "nav" in self.path:
            self.page.crumbs.append((None, ""))
        elif tag == "a" and "td" in self.path:
            self.page.rows.append(Row(values["href"] or ""))
        elif tag == "data":
            self.page.rows[-1].size = values["value"]
            self.page.rows[-1].size_title = values["title"]
        elif tag == "time":
            self.page.rows[-1].time = values["datetime"]

    def handle_endtag(self, tag: str) -> None:
        assert self.path.pop() == tag, "elements aren't nested"

    def handle_data(self, data: str) -> None:
        page, path = self.page, self.path
        if "title" in path:
            page.title += data
        elif "style" in path:
            page.style += data
        elif "nav" in path and path[-1] != "nav":
            href, text = page.crumbs[-1]
            page.crumbs[-1] = href, text + data
        elif "td" in path and "a" in path:
            page.rows[-1].text += data
        elif "data" in path:
            page.rows[-1].size_text += data
        elif "p" in path:
            page.notes += data


def read_listing(page: bytes) -> ListingPage:
    """Parse a page; fails where its elements aren't nested properly."""
    reader = _Reader()
    reader.feed(page.decode())
    reader.close()
    assert reader.path == []
    return reader.page
