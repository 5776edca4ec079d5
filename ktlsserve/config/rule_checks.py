"""Further kinds of values, which sites, rules and redirects have; see ``checks``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ktlsserve.config.checks import Check
from ktlsserve.errors import ConfigError


class Flag(Check[bool]):
    """Yes or no."""

    expected = "true or false"

    def accept(self, value: object, _folder: Path, /) -> bool:
        """Return the flag."""
        if not isinstance(value, bool):
            raise self.refusal(value)
        return value


@dataclass(frozen=True, slots=True)
class NumberChoice(Check[int]):
    """One of a few numbers."""

    numbers: tuple[int, ...]

    @property
    def expected(self) -> str:
        """List the numbers."""
        return f"{', '.join(map(str, self.numbers[:-1]))} or {self.numbers[-1]}"

    def accept(self, value: object, _folder: Path, /) -> int:
        """Return the number; TOML's booleans are no numbers."""
        if type(value) is not int or value not in self.numbers:
            raise self.refusal(value)
        return value


class FolderOrOff(Check["Path | Literal['off']"]):
    """A folder, or none."""

    expected = '"off" or the path of a folder'

    def accept(self, value: object, folder: Path, /) -> Path | Literal["off"]:
        """Return the word or the path; a folder that is called ``off`` is reached as ``./off``."""
        if value == "off":
            return "off"
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.refusal(value)
        return folder / value


@dataclass(frozen=True, slots=True)
class Parsed(Check[str]):
    """Text that ``parse`` takes without a ValueError, whose message tells the operator what is wrong."""

    parse: Callable[[str], object]
    meaning: str

    @property
    def expected(self) -> str:
        """Say what the text stands for."""
        return self.meaning

    def accept(self, value: object, _folder: Path, /) -> str:
        """Return the text; whoever uses it parses it again."""
        if not isinstance(value, str):
            raise self.refusal(value)
        try:
            self.parse(value)
        except ValueError as error:
            raise ConfigError([("", str(error))]) from None
        return value
