"""What a value in the configuration may be: one small check for each kind of value.

A check takes what the TOML parser yields and returns what the program works with, or raises ``ConfigError`` whose key
paths are relative to the value: ``""`` is the value itself, ``[1]`` the second of a list, ``.cert`` a key of a table.
Whoever holds the value puts its own name in front, so that all problems come out at once with complete paths.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Literal, TypeVar

from ktlsserve.address import Address, parse_address
from ktlsserve.errors import ConfigError
from ktlsserve.networks import Network, parse_network

T = TypeVar("T")
Problem = tuple[str, str]

SHOWN_CHARACTERS = 60


class Check(ABC, Generic[T]):
    """What one value may be; ``expected`` completes the sentence "must be ..."."""

    @property
    @abstractmethod
    def expected(self) -> str:
        """Say in words what is accepted."""

    @abstractmethod
    def accept(self, value: object, folder: Path, /) -> T:
        """Return the value in the program's own type.

        Paths are relative to ``folder``. Raises ConfigError with all that is wrong with the value.
        """

    def refusal(self, value: object) -> ConfigError:
        """Make the error that says what was expected instead of ``value``."""
        return ConfigError([("", f"must be {self.expected}, not {shown(value)}")])


@dataclass(frozen=True, slots=True)
class WholeNumber(Check[int]):
    """An integer within bounds, both included."""

    least: int
    most: int

    @property
    def expected(self) -> str:
        """Name the bounds."""
        return f"a whole number from {self.least} to {self.most}"

    def accept(self, value: object, _folder: Path, /) -> int:
        """Return the number; TOML's booleans are no numbers."""
        if type(value) is not int or not self.least <= value <= self.most:
            raise self.refusal(value)
        return value


@dataclass(frozen=True, slots=True)
class Seconds(Check[float]):
    """A time span in seconds, whole or with a fraction, above zero; or 0, where ``zero`` says what that means."""

    most: float
    zero: str = ""

    @property
    def expected(self) -> str:
        """Name the bounds."""
        span = f"a number of seconds above 0 and up to {self.most:g}"
        return f"{span}, or 0 ({self.zero})" if self.zero else span

    def accept(self, value: object, _folder: Path, /) -> float:
        """Return the span; TOML's nan and inf fail the comparison."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refusal(value)
        if not 0 < value <= self.most and not (value == 0 and self.zero):
            raise self.refusal(value)
        return float(value)


@dataclass(frozen=True, slots=True)
class Choice(Check[str]):
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def expected(self) -> str:
        """List the words."""
        quoted = [f'"{word}"' for word in self.words]
        return f"{', '.join(quoted[:-1])} or {quoted[-1]}"

    def accept(self, value: object, _folder: Path, /) -> str:
        """Return the word."""
        if not isinstance(value, str) or value not in self.words:
            raise self.refusal(value)
        return value


@dataclass(frozen=True, slots=True)
class Matching(Check[str]):
    """Text that a regular expression matches from end to end."""

    pattern: str
    meaning: str

    @property
    def expected(self) -> str:
        """Say what the pattern stands for."""
        return self.meaning

    def accept(self, value: object, _folder: Path, /) -> str:
        """Return the text."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise self.refusal(value)
        return value


class FilePath(Check[Path]):
    """A path of a file or folder; whether it exists is found out when it is opened."""

    expected = "a path"

    def accept(self, value: object, folder: Path, /) -> Path:
        """Return the path, made to start at ``folder`` if it is relative."""
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.refusal(value)
        return folder / value


class FileOrOff(Check["Path | Literal['off']"]):
    """A file, or none."""

    expected = '"off" or the path of a file'

    def accept(self, value: object, folder: Path, /) -> Path | Literal["off"]:
        """Return the word or the path; a file that is called ``off`` is reached as ``./off``."""
        if value == "off":
            return "off"
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.refusal(value)
        return folder / value


class LogTarget(Check["Path | Literal['off', '-']"]):
    """Where a log goes: nowhere, to standard output, or to a file."""

    expected = '"off", "-" (standard output) or a path'

    def accept(self, value: object, folder: Path, /) -> Path | Literal["off", "-"]:
        """Return the word or the path; a file that is called ``off`` is reached as ``./off``."""
        if value == "off":
            return "off"
        if value == "-":
            return "-"
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.refusal(value)
        return folder / value


class WorkerCount(Check["int | Literal['auto']"]):
    """A number of processes, or one per usable CPU."""

    number: ClassVar[WholeNumber] = WholeNumber(1, 1024)
    expected = f'"auto" or {number.expected}'

    def accept(self, value: object, folder: Path, /) -> int | Literal["auto"]:
        """Return the number or ``auto``."""
        if value == "auto":
            return "auto"
        try:
            return self.number.accept(value, folder)
        except ConfigError:
            raise self.refusal(value) from None


class ListenAddress(Check[Address]):
    """``HOST:PORT``, an IPv6 address in brackets."""

    expected = "an address such as 127.0.0.1:8443"

    def accept(self, value: object, _folder: Path, /) -> Address:
        """Return the address; names are resolved when it is bound."""
        if not isinstance(value, str):
            raise self.refusal(value)
        try:
            return parse_address(value)
        except ValueError as error:
            raise ConfigError([("", str(error))]) from None


class NetworkRange(Check[Network]):
    """A network in CIDR notation, or a single address."""

    expected = "a network such as 192.0.2.0/24 or 2001:db8::/32"

    def accept(self, value: object, _folder: Path, /) -> Network:
        """Return the network."""
        if not isinstance(value, str):
            raise self.refusal(value)
        try:
            return parse_network(value)
        except ValueError as error:
            raise ConfigError([("", str(error))]) from None


@dataclass(frozen=True, slots=True)
class ListOf(Check[tuple[T, ...]]):
    """A list of values of one kind, none of them twice."""

    item: Check[T]
    least: int = 1

    @property
    def expected(self) -> str:
        """Say what the list holds."""
        return f"a list, each {self.item.expected}"

    def accept(self, value: object, folder: Path, /) -> tuple[T, ...]:
        """Return the values in their order."""
        if not isinstance(value, list | tuple):
            raise self.refusal(value)
        if len(value) < self.least:
            raise ConfigError([("", f"must have at least {self.least} entry, each {self.item.expected}")])
        problems: list[Problem] = []
        accepted: list[T] = []
        for position, entry in enumerate(value):
            if entry in value[:position]:
                problems.append((f"[{position}]", f"{shown(entry)} is in the list twice"))
                continue
            try:
                accepted.append(self.item.accept(entry, folder))
            except ConfigError as error:
                problems += [(f"[{position}]{key}", message) for key, message in error.problems]
        if problems:
            raise ConfigError(problems)
        return tuple(accepted)


@dataclass(frozen=True, slots=True)
class Entries(Check[Mapping[str, str]]):
    """A table whose keys are the operator's own."""

    name: Matching
    entry: Matching
    example: str

    @property
    def expected(self) -> str:
        """Say what the table maps."""
        return f"a table that maps {self.name.expected} to {self.entry.expected}"

    def accept(self, value: object, folder: Path, /) -> Mapping[str, str]:
        """Return the mapping."""
        if not isinstance(value, dict):
            raise self.refusal(value)
        problems: list[Problem] = []
        for key, entry in value.items():
            for check, candidate in ((self.name, key), (self.entry, entry)):
                try:
                    check.accept(candidate, folder)
                except ConfigError as error:
                    problems += [(f".{key_step(key)}", message) for _, message in error.problems]
        if problems:
            raise ConfigError(problems)
        return dict(value)


def key_step(key: str) -> str:
    """Return a key as it stands in a key path: in quotes unless TOML takes it bare."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def shown(value: object) -> str:
    """Return a value as a message shows it: short, and as TOML spells it where that is short enough."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = json.dumps(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
