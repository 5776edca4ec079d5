"""Pages in light and dark, on wide screens and phones, and whether what they say can be read there."""

from __future__ import annotations

from tests.support.browser import Browser
from tests.support.colours import AA_TEXT, Colour, contrast, css_colour

# WCAG 2.2, success criterion 1.4.10: nothing has to be scrolled sideways from 320 pixels on.
WIDTHS = {"wide": 1280, "phone": 390, "narrowest": 320}

# Each piece of text that is shown, with its colour and the one behind it.
TEXTS = """
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
  if (!text || !element.getClientRects().length) continue;
  let behind = element;
  while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  let opacity = 1;
  for (let each = element; each; each = each.parentElement) opacity *= getComputedStyle(each).opacity;
  found.push([text, getComputedStyle(element).color, getComputedStyle(behind).backgroundColor, opacity]);
}
return found;
"""


def look(browser: Browser, scheme: str, width: str) -> None:
    """Have the page drawn in a colour scheme and as wide as a kind of window."""
    browser.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.command(
        "Emulation.setDeviceMetricsOverride",
        width=WIDTHS[width],
        height=844,
        deviceScaleFactor=1,
        mobile=width != "wide",
    )


def text_colours(browser: Browser) -> list[tuple[str, Colour, Colour]]:
    """Return each piece of text with its colour and the one behind it."""
    found = []
    for text, colour, behind, opacity in browser.run(TEXTS):
        assert opacity == 1, text
        found.append((text, css_colour(colour), css_colour(behind)))
    return found


def require_contrast(browser: Browser) -> None:
    """Fail if a piece of text can't be told from what is behind it."""
    colours = text_colours(browser)
    assert len(colours) > 2
    for text, colour, behind in colours:
        assert contrast(colour, behind) >= AA_TEXT, (text, colour, behind)
