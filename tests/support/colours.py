"""How well text can be told from what is behind it, as WCAG 2.2 measures it."""

from __future__ import annotations

import re
from typing import NamedTuple

AA_TEXT = 4.5
"""The least contrast of text (success criterion 1.4.3); large text may have less."""

AA_PARTS = 3.0
"""The least contrast of what isn't text but has to be seen, such as the mark of the focus (1.4.11)."""

_CSS = re.compile(r"rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)")


class Colour(NamedTuple):
    """An opaque colour in sRGB; 0 to 255 each."""

    red: int
    green: int
    blue: int


def css_colour(text: str) -> Colour:
    """Read a computed value, such as ``rgb(1, 2, 3)``; fails for colours that aren't opaque."""
    match = _CSS.fullmatch(text)
    assert match is not None, text
    assert match[4] in (None, "1"), text
    return Colour(int(match[1]), int(match[2]), int(match[3]))


def luminance(colour: Colour) -> float:
    """Return the relative luminance, from 0 (black) to 1 (white)."""
    red, green, blue = map(_linear, colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _linear(channel: int) -> float:
    share = channel / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)
