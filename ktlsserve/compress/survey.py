"""What there is to do beneath a folder.

Only what the server could serve is looked at: no hidden names but ``.well-known`` at the top, no special files.
Symbolic links are neither followed nor compressed: what they lead to is looked at where it lies, and files outside are
none of ours.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ktlsserve.compress.beside import is_up_to_date
from ktlsserve.compress.codings import CODINGS, Coding, is_compressible
from ktlsserve.compress.siblings import SiblingTask
from ktlsserve.compress.task import Outcome, Result, Task
from ktlsserve.files.mime import MimeTable
from ktlsserve.http1.target import WELL_KNOWN

_BROTLI, *_OTHERS = CODINGS


@dataclass(slots=True)
class Survey:
    """``tasks`` are to be done, in any order; ``fresh`` files need nothing; ``failures`` couldn't be looked at."""

    tasks: list[Task] = field(default_factory=list)
    fresh: int = 0
    failures: list[Result] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RemovalTask:
    """A file whose original has gone."""

    path: Path
    cost: int = 0

    def run(self, _stopping: object, *, dry: bool) -> Result:
        """Remove it; raises OSError."""
        if not dry:
            self.path.unlink()
        return Result(Outcome.REMOVED, self.path)


def survey_siblings(root: Path, codings: tuple[Coding, ...], min_bytes: int, types: MimeTable) -> Survey:
    """Find the siblings that files of at least ``min_bytes`` lack in ``codings``, and those that are out of date."""
    survey = Survey()
    for folder, statuses in folders(root, survey):
        for name, status in statuses.items():
            if not stat.S_ISREG(status.st_mode) or not is_compressible(types.type_of(os.fsencode(name))):
                continue
            wanted = status.st_size >= min_bytes
            for coding in codings:
                sibling = statuses.get(name + coding.suffix)
                if sibling is not None and is_up_to_date(sibling, status):
                    survey.fresh += 1
                elif sibling is not None or wanted:
                    task = SiblingTask(folder / name, coding, status.st_size, sibling is not None, wanted)
                    survey.tasks.append(task)
    return survey


def survey_orphans(root: Path, types: MimeTable) -> Survey:
    """Find siblings whose original has gone, as far as they can be told from files of their own right.

    ``notes.txt.gz`` without ``notes.txt`` may be a download, and so may ``notes.txt.zst``. Nobody offers ``.br``: that
    one is an orphan, and the other two are if they have the same time.
    """
    survey = Survey()
    for folder, statuses in folders(root, survey):
        regular = {name: status for name, status in statuses.items() if stat.S_ISREG(status.st_mode)}
        survey.tasks += [RemovalTask(folder / name) for name in sorted(_orphaned_siblings(regular, statuses, types))]
    return survey


def _orphaned_siblings(
    regular: Mapping[str, os.stat_result], statuses: Mapping[str, os.stat_result], types: MimeTable
) -> set[str]:
    orphans = set()
    for name, status in regular.items():
        original = name.removesuffix(_BROTLI.suffix)
        if original in ("", name) or original in statuses or not is_compressible(types.type_of(os.fsencode(original))):
            continue
        orphans.add(name)
        for coding in _OTHERS:
            other = regular.get(original + coding.suffix)
            if other is not None and other.st_mtime_ns == status.st_mtime_ns:
                orphans.add(original + coding.suffix)
    return orphans


def folders(root: Path, survey: Survey) -> Iterator[tuple[Path, dict[str, os.stat_result]]]:
    """Yield each folder with the ``lstat`` of all that is in it, but for hidden names.

    One that can't be read to its end is a failure, and not yielded: an original might be among what wasn't seen.
    """
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        statuses: dict[str, os.stat_result] = {}
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") and (folder != root or entry.name != WELL_KNOWN.decode()):
                        continue
                    statuses[entry.name] = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(folder / entry.name)
        except OSError as error:
            survey.failures.append(Result(Outcome.FAILED, folder, message=error.strerror or str(error)))
            continue
        yield folder, statuses
