"""What a value in a scenario or in thresholds may be, beside what ktlsserve's own configuration has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ktlsserve.config.checks import Check


@dataclass(frozen=True, slots=True)
class Number(Check[float]):
    """A number within bounds, both included."""

    least: float
    most: float

    @property
    def expected(self) -> str:
        """Name the bounds."""
        return f"a number from {self.least:g} to {self.most:g}"

    def accept(self, value: object, _folder: Path, /) -> float:
        """Return the number; TOML's booleans are none, and its nan and inf fail the comparison."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.least <= value <= self.most:
            raise self.refusal(value)
        return float(value)


@dataclass(frozen=True, slots=True)
class Span(Check[tuple[float, float]]):
    """A number within bounds, or two of them: the least and the most of something that varies."""

    number: Number

    @property
    def expected(self) -> str:
        """Say that there may be two."""
        return f"{self.number.expected}, or a list of two, the lesser first"

    def accept(self, value: object, folder: Path, /) -> tuple[float, float]:
        """Return the least and the most."""
        ends = value if isinstance(value, list) else [value, value]
        if len(ends) != 2:
            raise self.refusal(value)
        least, most = (self.number.accept(end, folder) for end in ends)
        if least > most:
            raise self.refusal(value)
        return least, most


@dataclass(frozen=True, slots=True)
class WholeSpan(Check[tuple[int, int]]):
    """A whole number within bounds, or two of them."""

    least: int
    most: int

    @property
    def expected(self) -> str:
        """Say that there may be two."""
        return f"a whole number from {self.least} to {self.most}, or a list of two, the lesser first"

    def accept(self, value: object, _folder: Path, /) -> tuple[int, int]:
        """Return the least and the most."""
        ends: list[Any] = value if isinstance(value, list) else [value, value]
        if len(ends) != 2 or any(type(end) is not int or not self.least <= end <= self.most for end in ends):
            raise self.refusal(value)
        least, most = ends
        if least > most:
            raise self.refusal(value)
        return least, most
