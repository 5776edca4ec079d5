"""Paragraphs of Markdown, in lines as long as those of the pages that people write."""

from __future__ import annotations

import textwrap

_WIDTH = 120


def flowing(text: str) -> str:
    """Return one paragraph, wrapped."""
    return textwrap.fill(" ".join(text.split()), _WIDTH, break_long_words=False, break_on_hyphens=False)
