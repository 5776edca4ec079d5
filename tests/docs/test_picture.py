"""docs/path.svg: whole in itself, and legible where a code host shows it light or dark."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from tests.support.colours import AA_TEXT, Colour, contrast
from tests.support.server import CHECKOUT

TEXT = (CHECKOUT / "docs" / "path.svg").read_text(encoding="utf-8")
RULE = re.compile(r"^([.\w, ]+) \{ ([^}]+) \}$", re.MULTILINE)


def colours(scheme: str) -> dict[str, dict[str, str]]:
    """Return fill and stroke of each class in a scheme; the dark one goes over the light one."""
    light, _, dark = TEXT.partition("@media (prefers-color-scheme: dark)")
    found: dict[str, dict[str, str]] = {}
    for part in (light, dark)[: 1 if scheme == "light" else 2]:
        for names, body in RULE.findall(part):
            for name in names.split(", "):
                said = dict(re.findall(r"(fill|stroke): (#\w+|none)", body))
                found.setdefault(name.lstrip("."), {}).update(said)
    return found


def colour(text: str) -> Colour:
    """Read ``#rrggbb`` or ``#rgb``."""
    digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
    return Colour(*bytes.fromhex(digits))


def test_it_is_whole_and_says_what_it_is() -> None:
    root = ET.fromstring(TEXT)
    assert root.findtext("{http://www.w3.org/2000/svg}title")
    assert "script" not in TEXT
    assert "url(" not in TEXT
    assert re.findall(r"https?://[^\"]+", TEXT) == ["http://www.w3.org/2000/svg"]
    used = {name for element in root.iter() if (name := element.get("class"))}
    assert used <= colours("light").keys()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("title", "paper"),
        ("said", "paper"),
        ("label", "paper"),
        ("label", "band"),
        ("copy", "paper"),
        ("text", "box"),
        ("text", "slowbox"),
        ("aestext", "aes"),
    ],
)
def test_texts_can_be_read(text: str, ground: str, scheme: str) -> None:
    found = colours(scheme)
    assert contrast(colour(found[text]["fill"]), colour(found[ground]["fill"])) >= AA_TEXT
