"""Links between the pages, and from them to files and pictures."""

from __future__ import annotations

import re

import pytest

from tests.support.documents import PAGES, headings, page
from tests.support.server import CHECKOUT

LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(text: str) -> list[str]:
    """Return the anchors that a code host gives to the headings of a page: a second one of a name gets a number."""
    found: list[str] = []
    for heading in headings(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        before = sum(1 for other in found if re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", other))
        found.append(f"{anchor}-{before}" if before else anchor)
    return found


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    wrong = []
    for target in LINK.findall(re.sub(r"^```.*?^```$", "", page(name), flags=re.MULTILINE | re.DOTALL)):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = ((CHECKOUT / name).parent / file if file else CHECKOUT / name).resolve()
        there = path.is_relative_to(CHECKOUT) and path.exists()
        if not there or (anchor and anchor not in anchors(path.read_text(encoding="utf-8"))):
            wrong.append(target)
    assert not wrong


def test_a_second_heading_of_a_name_has_an_anchor_of_its_own() -> None:
    assert anchors("# A b\n\n## `x.y`\n\n```\n# no\n```\n\n## A b\n") == ["a-b", "xy", "a-b-1"]


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[str] = set()
    waiting = ["README.md"]
    while waiting:
        name = waiting.pop()
        if name not in reached and name in PAGES:
            reached.add(name)
            folder = (CHECKOUT / name).parent
            targets = [target.partition("#")[0] for target in LINK.findall(page(name))]
            paths = [(folder / target).resolve() for target in targets if target and "://" not in target]
            waiting += [path.relative_to(CHECKOUT).as_posix() for path in paths if path.is_relative_to(CHECKOUT)]
    assert sorted(set(PAGES) - reached) == []
