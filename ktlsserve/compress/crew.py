"""Does many small tasks on files at a time, and tells what came of them.

Threads rather than processes do the work: encoders and hashes let others run while they compute, so that threads use
all CPUs, and one that is told to stop cleans up after itself. The progress is a line of our own: a package that draws
it better would be four to install, and as many to trust, in an image that never shows it.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, TextIO

from ktlsserve.compress.progress import Progress, printable
from ktlsserve.compress.survey import Survey
from ktlsserve.compress.task import FileChanged, Outcome, Result, Task
from ktlsserve.errors import EXIT_BUG, EXIT_OK
from ktlsserve.units import human_size


class Crew:
    """Does tasks, ``jobs`` at a time, and keeps account of what came of them."""

    def __init__(self, jobs: int, out: TextIO, err: TextIO, *, dry: bool) -> None:
        self._jobs = jobs
        self._out = out
        self._err = err
        self._dry = dry
        self._count: Counter[Outcome] = Counter()
        self._original_bytes = 0
        self._made_bytes = 0
        self._stop = threading.Event()
        self._progress = Progress(err, 0)

    def work_off(self, survey: Survey) -> None:
        """Do all tasks, the longest first, so that none of them is left alone at the end.

        Raises KeyboardInterrupt once what was under way has been cleaned up.
        """
        self._count[Outcome.FRESH] += survey.fresh
        for failure in survey.failures:
            self._note(failure)
        tasks = sorted(survey.tasks, key=lambda task: -task.cost)
        self._progress = Progress(self._err, len(tasks))
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="crew")
        with _setting(self._stop):
            try:
                for result in self._results(pool, tasks):
                    self._note(result)
                    self._progress.step(result.path)
            finally:
                interrupted = self._stop.is_set()
                self._progress.clear()
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                self._stop.clear()
        if interrupted:
            raise KeyboardInterrupt

    def summary(self) -> str:
        """Say in a line what was done, or would be."""
        count = self._count
        made = f"{count[Outcome.MADE]:,} {'to make' if self._dry else 'made'}"
        if self._made_bytes and not self._dry:
            made += f" ({human_size(self._original_bytes)} became {human_size(self._made_bytes)})"
        parts = [made, f"{count[Outcome.FRESH]:,} up to date"]
        if count[Outcome.REMOVED]:
            parts.append(f"{count[Outcome.REMOVED]:,} {'to remove' if self._dry else 'removed'}")
        if count[Outcome.NOT_SMALLER]:
            parts.append(f"{count[Outcome.NOT_SMALLER]:,} not worth it")
        if count[Outcome.FAILED]:
            parts.append(f"{count[Outcome.FAILED]:,} failed")
        return ", ".join(parts)

    def exit_status(self) -> int:
        """Return the status for what came of the tasks."""
        undone = self._dry and (self._count[Outcome.MADE] or self._count[Outcome.REMOVED])
        return EXIT_BUG if undone or self._count[Outcome.FAILED] else EXIT_OK

    def _results(self, pool: ThreadPoolExecutor, tasks: Sequence[Task]) -> Iterator[Result]:
        """Yield results as they come, until told to stop.

        Only a few tasks are handed out before, so that few are to be called back.
        """
        waiting = iter(tasks)
        running: set[Future[Result]] = set()
        while True:
            for task in waiting:
                running.add(pool.submit(self._run, task))
                if len(running) == 2 * self._jobs:
                    break
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            if self._stop.is_set():
                return
            for future in done:
                yield future.result()

    def _run(self, task: Task) -> Result:
        try:
            return task.run(self._stop.is_set, dry=self._dry)
        except OSError as error:
            return Result(Outcome.FAILED, task.path, message=error.strerror or str(error))
        except FileChanged as error:
            return Result(Outcome.FAILED, task.path, message=str(error))

    def _note(self, result: Result) -> None:
        self._count[result.outcome] += 1
        self._original_bytes += result.original_bytes
        self._made_bytes += result.made_bytes
        path = printable(result.path)
        if result.outcome is Outcome.FAILED:
            self._say(f"ktlsserve: error: {path}: {result.message}", self._err)
        elif self._dry and result.outcome is Outcome.MADE:
            self._say(f"would make {path}", self._out)
        elif self._dry and result.outcome is Outcome.REMOVED:
            self._say(f"would remove {path}", self._out)

    def _say(self, line: str, stream: TextIO) -> None:
        self._progress.clear()
        print(line, file=stream)


@contextmanager
def _setting(event: threading.Event) -> Iterator[None]:
    """Let signals that end the program set ``event``.

    While threads are at work nothing may be raised just anywhere: most places are within the locks that they share
    with this one. Those at work look at the event, and their end wakes whoever waits for them.
    """

    def interrupt(_number: int, _frame: object) -> None:
        event.set()

    with _handled_by(interrupt, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
    """Let these signals do what an interrupt by the keyboard does."""

    def interrupt(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    with _handled_by(interrupt, *numbers):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
