"""Which files get a sidecar, and which sidecars have lost their file.

Only what the server could serve: no hidden names, no special files, no symbolic links (they are looked at where they
lead to). Compressed siblings are files like others: each is a representation with an entity-tag of its own.
"""

from __future__ import annotations

import stat
from pathlib import Path

from ktlsserve.compress.survey import RemovalTask, Survey, folders
from ktlsserve.compress.task import FileChanged, Outcome, Result, open_regular
from ktlsserve.etags.task import SidecarTask
from ktlsserve.files.etag_sidecar import LONGEST_BYTES, SUFFIX, is_sidecar

_SUFFIX = SUFFIX.decode()


def survey_sidecars(root: Path) -> Survey:
    """Find all files that have or should have a sidecar."""
    survey = Survey()
    for folder, statuses in folders(root, survey):
        survey.tasks += [
            SidecarTask(folder / name, status.st_size, name + _SUFFIX in statuses)
            for name, status in statuses.items()
            if stat.S_ISREG(status.st_mode) and not name.endswith(_SUFFIX)
        ]
    return survey


def survey_orphaned_sidecars(root: Path) -> Survey:
    """Find sidecars without a file, by what is in them: other files of such names stay."""
    survey = Survey()
    for folder, statuses in folders(root, survey):
        for name, status in statuses.items():
            original = name.removesuffix(_SUFFIX)
            if original in ("", name) or original in statuses or not stat.S_ISREG(status.st_mode):
                continue
            try:
                if _is_sidecar(folder / name):
                    survey.tasks.append(RemovalTask(folder / name))
            except (OSError, FileChanged) as error:
                survey.failures.append(Result(Outcome.FAILED, folder / name, message=str(error)))
    return survey


def _is_sidecar(path: Path) -> bool:
    file, _ = open_regular(path)
    with file:
        return is_sidecar(file.read(LONGEST_BYTES + 1))
