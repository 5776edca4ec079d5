"""Further kinds of values, which the table of the server has; see ``checks``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from ktlsserve.config.checks import Check, ListOf, Matching, WholeNumber

# As useradd(8) takes them, dots too, and numbers.
ACCOUNT = Matching(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\$?)?", "the name or number of an account, or empty")


class PathOrOff(Check["Path | Literal['off']"]):
    """A file, or none."""

    expected = '"off" or a path'

    def accept(self, value: object, folder: Path, /) -> Path | Literal["off"]:
        """Return the word or the path; a file that is called ``off`` is reached as ``./off``."""
        if value == "off":
            return "off"
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.refusal(value)
        return folder / value


class CpuAffinity(Check["bool | tuple[int, ...]"]):
    """Whether workers are bound to CPUs, or the CPUs that they are bound to."""

    # More than Linux counts on any machine (CONFIG_NR_CPUS).
    number: ClassVar[WholeNumber] = WholeNumber(0, 8191)
    expected = f"true, false or a list of CPUs, each {number.expected}"

    def accept(self, value: object, folder: Path, /) -> bool | tuple[int, ...]:
        """Return the flag or the numbers; whether this machine has such CPUs is found out at the start."""
        if isinstance(value, bool):
            return value
        if not isinstance(value, list):
            raise self.refusal(value)
        return ListOf(self.number).accept(value, folder)
