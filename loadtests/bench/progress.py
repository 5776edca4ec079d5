"""How far the benchmark is: a bar where rich is installed and a person looks on, else a line for each step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Told of each step as it begins."""

    def step(self, text: str) -> None:
        """Say what is done now."""


class Lines:
    """A numbered line on standard error for each step."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0

    def step(self, text: str) -> None:
        """Write the line."""
        self._done += 1
        print(f"[{self._done}/{self._steps}] {text}", file=sys.stderr, flush=True)


@contextmanager
def progress(steps: int) -> Iterator[Progress]:
    """Show the progress of as many steps."""
    if not sys.stderr.isatty():
        yield Lines(steps)
        return
    try:
        import rich.console  # noqa: PLC0415 - optional
        import rich.progress  # noqa: PLC0415 - optional
    except ImportError:
        yield Lines(steps)
        return
    columns = (
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("{task.description}"),
    )
    with rich.progress.Progress(*columns, console=rich.console.Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=steps)

        class Bar:
            """Moves on when the next step begins: the one before has then ended."""

            begun = False

            def step(self, text: str) -> None:
                bar.update(task, description=text, advance=1 if self.begun else 0)
                self.begun = True

        yield Bar()
        bar.update(task, advance=1, description="done")
