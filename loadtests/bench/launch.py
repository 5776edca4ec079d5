"""What starts a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that stays in the foreground, and what it finds in its environment beside ours."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
