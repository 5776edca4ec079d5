from __future__ import annotations

import re

from ktlsserve.admin.page_style import STYLE


def test_every_colour_is_one_of_both_schemes() -> None:
    dark = STYLE[STYLE.index("prefers-color-scheme:dark") :].split("}}")[0]
    light = STYLE[: STYLE.index("@media")]
    named = set(re.findall(r"(--\w+):", light))
    assert named == set(re.findall(r"(--\w+):", dark))
    assert set(re.findall(r"var\((--\w+)\)", STYLE)) == named
    # Nowhere else is a colour said.
    assert not re.findall(r"#[0-9a-f]{3,6}\b", STYLE.split("}}", 1)[1])


def test_it_can_stand_in_an_element() -> None:
    assert "</" not in STYLE
