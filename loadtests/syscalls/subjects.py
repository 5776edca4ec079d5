"""What is measured: a call that is made many times, and one that does nothing, called in the same way.

Both loops run inside the interpreter (``starmap`` over prepared arguments), and what the second one takes is
subtracted, so that Python's part is known and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Method(StrEnum):
    """How something is done; the value is what reports call it."""

    CALL = "getppid"
    COPY_CACHE = "copy, from the cache"
    COPY_MEMORY = "copy, from memory"
    SENDTO = "sendto"
    SENDMMSG = "sendmmsg"
    GSO = "GSO"
    GSO_WHOLE = "GSO, left whole"
    SENDFILE = "sendfile"


DATAGRAMS = (Method.SENDTO, Method.SENDMMSG, Method.GSO, Method.GSO_WHOLE)


@dataclass(frozen=True, slots=True)
class Case:
    """One row: ``packets`` (or copies, or slices: 1) of ``unit_bytes`` in each call."""

    method: Method
    unit_bytes: int
    packets: int = 1

    @property
    def key(self) -> str:
        """Its name in the results."""
        return f"{self.method.name.lower()}/{self.unit_bytes}/{self.packets}"


@dataclass(frozen=True, slots=True)
class Subject:
    """A case as calls that can be made.

    ``arguments`` are taken in turn. Each call has to return ``expected``; None is for what returns no number.
    ``arrivals`` counts what has come to the other side so far, and each call has to add ``arrivals_per_call`` to it.
    ``receiver_ns`` tells what processor time a receiving process has had. ``kept`` is the memory that addresses among
    the arguments point to. Runs last ``times_longer`` where short ones differ too much.
    """

    case: Case
    call: Callable[..., Any]
    arguments: Sequence[tuple[Any, ...]]
    nothing: Callable[..., Any]
    no_arguments: tuple[Any, ...]
    expected: int | None = None
    arrivals: Callable[[], int] | None = None
    arrivals_per_call: int = 0
    receiver_ns: Callable[[], int] | None = None
    kept: tuple[object, ...] = ()
    times_longer: int = 1
