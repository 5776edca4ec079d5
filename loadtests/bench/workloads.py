"""What is asked for: sizes, heads, connections; and the tree that holds the files."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

# All files lie in one folder, because some servers mount a folder at a prefix only.
FOLDER = "files"
SIZES = {"1KiB": 1 << 10, "10KiB": 10 << 10, "100KiB": 100 << 10, "1MiB": 1 << 20, "64MiB": 64 << 20}
CONNECTIONS = (16, 256)


class Mode(StrEnum):
    """Who encrypts."""

    PLAIN = "plain"
    USERSPACE = "userspace"
    KERNEL = "kernel"


class Head(StrEnum):
    """Whether all requests have the same head, or each one of its own as behind a load balancer."""

    SAME = "same"
    UNIQUE = "unique"


class Persistence(StrEnum):
    """How many requests a connection carries: as many as come, or one."""

    KEEP_ALIVE = "keep-alive"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests for one file."""

    mode: Mode
    size: str
    head: Head = Head.SAME
    persistence: Persistence = Persistence.KEEP_ALIVE
    connections: int = 16

    @property
    def name(self) -> str:
        """How options and reports call it."""
        return f"{self.mode}/{self.size}/{self.head}/{self.persistence}/{self.connections}"

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return SIZES[self.size]

    @property
    def path(self) -> str:
        """The target of the requests."""
        return target(self.size)


def target(size: str) -> str:
    """Return the path of the file of a size, as a request names it."""
    return f"/{FOLDER}/{size}.bin"


def every_workload() -> list[Workload]:
    """Return all combinations."""
    return [Workload(*parts) for parts in itertools.product(Mode, SIZES, Head, Persistence, CONNECTIONS)]


def usual_workloads() -> list[Workload]:
    """Return those that tell most: all sizes on 16 connections, and for small ones each other thing changed alone."""
    return [
        workload for workload in every_workload() if _deviations(workload) <= (workload.size_bytes <= SIZES["10KiB"])
    ]


def quick_workloads() -> list[Workload]:
    """Return the few that a quick look needs."""
    plain, userspace = Mode.PLAIN, Mode.USERSPACE
    return [
        *(Workload(plain, size) for size in ("1KiB", "10KiB", "1MiB", "64MiB")),
        Workload(plain, "10KiB", Head.UNIQUE),
        Workload(userspace, "10KiB"),
        Workload(userspace, "1MiB"),
        Workload(Mode.KERNEL, "10KiB"),
        Workload(Mode.KERNEL, "1MiB"),
    ]


def _deviations(workload: Workload) -> int:
    return (
        (workload.head is not Head.SAME)
        + (workload.persistence is not Persistence.KEEP_ALIVE)
        + (workload.connections != CONNECTIONS[0])
    )


def make_tree(root: Path) -> None:
    """Write the files below ``root``; their bytes are random, always the same, and can't be compressed."""
    folder = root / FOLDER
    folder.mkdir(parents=True)
    source = random.Random("ktlsserve")  # noqa: S311 - contents of test files, not keys
    for size, size_bytes in SIZES.items():
        (folder / f"{size}.bin").write_bytes(source.randbytes(size_bytes))
