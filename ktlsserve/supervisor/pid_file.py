"""A file with the number of the supervisor's process."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Literal

logger = logging.getLogger(__name__)


class PidFile:
    """The file that names this process, if any; that it can't be written is no reason not to serve."""

    def __init__(self) -> None:
        self._path: Path | None = None

    def write(self, path: Path | Literal["off"]) -> None:
        """Name this process in ``path``, whole at any moment, and nowhere else any more."""
        if self._path not in (None, path):
            self.remove()
        if path == "off":
            return
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            draft.write_text(f"{os.getpid()}\n", encoding="ascii")
            draft.replace(path)
        except OSError as error:
            logger.warning("server.pid_file %s can't be written: %s", path, error.strerror)
            return
        self._path = path

    def remove(self) -> None:
        """Remove the file, unless it names another process by now: a successor's."""
        path, self._path = self._path, None
        if path is None:
            return
        try:
            if path.read_text(encoding="ascii").strip() == str(os.getpid()):
                path.unlink()
        except (OSError, ValueError) as error:
            logger.debug("server.pid_file %s: %s", path, error)
