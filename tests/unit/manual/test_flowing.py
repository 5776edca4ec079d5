from __future__ import annotations

from manual.flowing import flowing


def test_a_paragraph_is_wrapped_at_blanks_only() -> None:
    text = flowing("`a-long-name` " * 20 + "x" * 130)
    *lines, last = text.splitlines()
    assert all(len(line) <= 120 and line.endswith("`") for line in lines)
    assert last == "x" * 130
    assert flowing("a\n  b") == "a b"
