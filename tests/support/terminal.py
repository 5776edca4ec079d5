"""An interactive shell in a terminal of its own, to type into."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.support.waiting import LIMIT_S

PROMPT = "ready> "


class Terminal:
    """Runs ``program`` in a pseudo-terminal; whatever it shows is kept. Leaving the block ends it."""

    def __init__(self, program: Sequence[str], environment: Mapping[str, str]) -> None:
        self._screen = ""
        self._fd, other = pty.openpty()
        try:
            self._process = subprocess.Popen(
                program, env=dict(environment), stdin=other, stdout=other, stderr=other, start_new_session=True
            )
        finally:
            os.close(other)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # To a shell, a terminal that hangs up.
        os.close(self._fd)
        try:
            self._process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def type(self, text: str) -> None:
        """Type ``text``; what is shown from now on is looked at by the next ``wait_for``."""
        self._screen = ""
        os.write(self._fd, text.encode())

    def wait_for(self, pattern: str) -> str:
        """Return what is shown once ``pattern`` is found there; fail after a while."""
        deadline = time.monotonic() + LIMIT_S
        while re.search(pattern, self._screen) is None:
            left = deadline - time.monotonic()
            assert left > 0, f"waited for {pattern!r}, and saw {self._screen!r}"
            if select.select([self._fd], [], [], left)[0]:
                shown = os.read(self._fd, 65536).decode(errors="replace")
                # A shell that could offer more rings the bell.
                self._screen += shown.replace("\a", "")
        return self._screen
