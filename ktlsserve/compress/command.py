"""``ktlsserve compress``: what the operator says, sees and gets back.

Threads rather than processes do the work: all three encoders, and the hash, let others run while they compute, so that
threads use all CPUs, and one that is told to stop cleans up after itself. The progress is a line of our own: a package
that draws it better would be four to install, and as many to trust, in an image that never shows it.
"""

from __future__ import annotations

import argparse
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TextIO

from ktlsserve.arguments import Parser, add_information
from ktlsserve.compress.codings import CODINGS, Coding, coding_named, require_packages
from ktlsserve.compress.progress import Progress, printable
from ktlsserve.compress.survey import Survey, survey_orphans, survey_siblings
from ktlsserve.compress.task import FileChanged, Outcome, Result, Task
from ktlsserve.config.checks import WholeNumber
from ktlsserve.cpus import usable_cpus
from ktlsserve.errors import EXIT_BUG, EXIT_OK, ConfigError, UsageError
from ktlsserve.files.mime import MimeTable
from ktlsserve.units import human_size

MIN_BYTES = 1024
"""A smaller file and its head fit into one packet as they are."""

_MOST_JOBS = 1024

DESCRIPTION = """\
Compress a site beforehand: app.js.br, app.js.zst and app.js.gz beside app.js,
for the server to send to whoever takes them. Files that have them already are
left alone, those that changed get new ones. Hidden files and symbolic links
are left out, and so is what doesn't get a twentieth smaller."""

EPILOG = """\
Exit status: 0 done (with --check: nothing is to be done), 1 something could
not be done (with --check: something is to be done), 2 wrong arguments, 3 a
package is missing. An interrupt leaves no file half made."""


def compress_parser() -> Parser:
    """Return the parser of ``compress``."""
    parser = Parser(
        prog="ktlsserve compress",
        usage="ktlsserve compress ROOT [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("root", metavar="ROOT", type=_folder, help="the folder that is served")
    group = parser.add_argument_group("options")
    group.add_argument(
        "--codings",
        metavar="LIST",
        type=_codings,
        default=CODINGS,
        help="what to make, separated by commas: br, zstd, gzip (default: all three)",
    )
    group.add_argument(
        "--min-bytes",
        metavar="N",
        type=_number(0, 1 << 40),
        default=MIN_BYTES,
        help=f"leave smaller files alone (default: {MIN_BYTES}: less fits into one packet anyway)",
    )
    group.add_argument("--prune", action="store_true", help="also remove what was made of files that have gone")
    group.add_argument("--check", action="store_true", help="change nothing; list what would be made or removed")
    group.add_argument(
        "--jobs",
        metavar="N",
        type=_number(1, _MOST_JOBS),
        help="files compressed at the same time (default: one per usable CPU)",
    )
    add_information(parser)
    return parser


def run_compress(arguments: Sequence[str], out: TextIO, err: TextIO) -> int:
    """Run the command and return its exit status; the summary goes to ``out``, progress and failures to ``err``.

    Raises UsageError, StartupError where a package is missing, and KeyboardInterrupt, also on SIGTERM and SIGHUP, when
    all that was under way has been cleaned up.
    """
    parsed = compress_parser().parse(arguments)
    root: Path = parsed.root
    if not root.is_dir():
        raise UsageError(f"{'not a folder' if root.exists() else 'no such folder'}: {printable(root)}")
    require_packages(parsed.codings)
    types = MimeTable()
    crew = _Crew(parsed.jobs or usable_cpus(), out, err, dry=parsed.check)
    with _interrupted_by(signal.SIGTERM, signal.SIGHUP):
        if parsed.prune:
            crew.work_off(survey_orphans(root, types))
        crew.work_off(survey_siblings(root, parsed.codings, parsed.min_bytes, types))
    print(crew.summary(), file=out)
    return crew.exit_status()


class _Crew:
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
        """Do all tasks, the longest first, so that none of them is left alone at the end."""
        self._count[Outcome.FRESH] += survey.fresh
        for failure in survey.failures:
            self._note(failure)
        tasks = sorted(survey.tasks, key=lambda task: -task.cost)
        self._progress = Progress(self._err, len(tasks))
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="compress")
        try:
            for result in self._results(pool, tasks):
                self._note(result)
                self._progress.step(result.path)
        finally:
            self._progress.clear()
            self._stop.set()
            pool.shutdown(cancel_futures=True)
            self._stop.clear()

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
        """Yield results as they come; only a few tasks are handed out before, so that few are to be called back."""
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
def _interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
    """Let these signals do what an interrupt by the keyboard does."""

    def interrupt(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _codings(text: str) -> tuple[Coding, ...]:
    try:
        named = [coding_named(name.strip()) for name in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return tuple(coding for coding in CODINGS if coding in named)


def _number(least: int, most: int) -> Callable[[str], int]:
    check = WholeNumber(least, most)

    def parse(text: str) -> int:
        try:
            return check.accept(int(text) if text.isdecimal() else text, Path())
        except ConfigError as error:
            raise argparse.ArgumentTypeError(error.problems[0][1]) from None

    return parse


def _folder(text: str) -> Path:
    """Refuse the empty path that an unset variable of the shell becomes: it would mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("is empty")
    return Path(text)
