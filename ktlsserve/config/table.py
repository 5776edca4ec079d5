"""TOML tables as dataclasses: a field made with ``setting()`` is a key, and ``Table`` checks the keys of a whole table.

A dataclass whose values must fit each other has a method ``problems()`` that returns what doesn't, as (key, message).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ktlsserve.config.checks import Check, key_step
from ktlsserve.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

D = TypeVar("D", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Table(Check[D]):
    """A table with fixed keys: the fields of a dataclass, made with ``setting()``."""

    shape: type[D]

    @property
    def expected(self) -> str:
        """List the keys."""
        return f"a table with the keys {', '.join(settings(self.shape))}"

    def accept(self, value: object, folder: Path, /) -> D:
        """Return the dataclass; keys left out have their defaults."""
        if not isinstance(value, dict):
            raise self.refusal(value)
        known = settings(self.shape)
        problems = [(f".{key_step(key)}", self._unknown(key)) for key in value if key not in known]
        accepted: dict[str, Any] = {}
        for name, field in known.items():
            if name in value:
                try:
                    accepted[name] = check_of(field).accept(value[name], folder)
                except ConfigError as error:
                    problems += [(f".{name}{key}", message) for key, message in error.problems]
            elif is_required(field):
                problems.append((f".{name}", f"is missing: {reason_of(field)}"))
        if not problems:
            table = self.shape(**accepted)
            if hasattr(table, "problems"):
                problems = [(f".{key}", message) for key, message in table.problems()]
            if not problems:
                return table
        raise ConfigError(problems)

    def _unknown(self, key: str) -> str:
        """Say that a key means nothing here, and which one was perhaps meant."""
        candidates = {name: name for name in settings(self.shape)}
        for name, field in settings(self.shape).items():
            inner = check_of(field)
            if isinstance(inner, Table):
                candidates |= {below: f"{name}.{below}" for below in settings(inner.shape) if below not in candidates}
        close = get_close_matches(key, candidates, n=1)
        if close:
            return f"unknown key; did you mean {candidates[close[0]]}?"
        return f"unknown key; known are {', '.join(settings(self.shape))}"


def setting(check: Check[Any], reason: str, *, example: str = "") -> Mapping[str, Any]:
    """Return the metadata of a configuration field: what it may be, and why its default is what it is.

    ``example`` is a value as TOML spells it, for a key that has no default to show.
    """
    return {"check": check, "reason": reason, "example": example}


def settings(shape: type[DataclassInstance]) -> dict[str, Field[Any]]:
    """Return the fields of a table that can be configured, by name, in their order."""
    return {field.name: field for field in fields(shape) if "check" in field.metadata}


def check_of(field: Field[Any]) -> Check[Any]:
    """Return the check of a configuration field."""
    check: Check[Any] = field.metadata["check"]
    return check


def reason_of(field: Field[Any]) -> str:
    """Return what a configuration field is for and why its default is what it is."""
    reason: str = field.metadata["reason"]
    return reason


def example_of(field: Field[Any]) -> str:
    """Return a value of a configuration field as TOML spells it, empty where its default is shown instead."""
    example: str = field.metadata["example"]
    return example


def is_required(field: Field[Any]) -> bool:
    """Tell whether a configuration field has no default."""
    return field.default is MISSING and field.default_factory is MISSING
