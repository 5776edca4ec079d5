from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pytest

from ktlsserve.compress.progress import Progress, printable


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now_s = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    monkeypatch.setenv("COLUMNS", "30")
    return now_s


def test_a_terminal_is_told_how_far_it_is(clock: list[float]) -> None:
    terminal = Terminal()
    progress = Progress(terminal, 1200)
    progress.step(Path("a.js"))
    assert terminal.getvalue() == "\r\x1b[K1 of 1,200  a.js"
    progress.clear()
    assert terminal.getvalue().endswith("a.js\r\x1b[K")


def test_the_line_stays_long_enough_to_be_read(clock: list[float]) -> None:
    terminal = Terminal()
    progress = Progress(terminal, 3)
    progress.step(Path("a"))
    clock[0] += 0.05
    progress.step(Path("b"))
    clock[0] += 0.06
    progress.step(Path("c"))
    assert terminal.getvalue() == "\r\x1b[K1 of 3  a\r\x1b[K3 of 3  c"


def test_a_long_path_is_cut(clock: list[float]) -> None:
    terminal = Terminal()
    Progress(terminal, 1).step(Path("a" * 100))
    assert terminal.getvalue() == "\r\x1b[K1 of 1  " + "a" * 21


def test_what_is_not_drawn_is_not_cleared(clock: list[float]) -> None:
    terminal = Terminal()
    Progress(terminal, 1).clear()
    assert terminal.getvalue() == ""


def test_nobody_looks_at_a_file(clock: list[float]) -> None:
    stream = io.StringIO()
    progress = Progress(stream, 1)
    progress.step(Path("a"))
    progress.clear()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"a b.js", "a b.js"),
        (b"\x1b[31mred\n\x07", "?[31mred??"),
        (b"latin-\xe9", "latin-?"),
        ("größe".encode(), "größe"),
    ],
)
def test_paths_do_not_steer_the_terminal(name: bytes, shown: str) -> None:
    assert printable(Path(os.fsdecode(name))) in (shown, shown.replace("latin-?", "latin-\ufffd"))
