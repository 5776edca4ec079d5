"""The table of the configuration about files; part of ``config``, which says how tables are made."""

from __future__ import annotations

from dataclasses import dataclass, field

from ktlsserve.config.checks import Seconds, WholeNumber
from ktlsserve.config.table import setting

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Files:
    """What a worker keeps of the files that it serves."""

    cached_files: int = field(
        default=1024,
        metadata=setting(
            WholeNumber(1, 1_000_000),
            "Most files that a worker keeps open. Each takes a descriptor, so the limit on open files must allow it.",
        ),
    )
    cache_s: float = field(
        default=1.0,
        metadata=setting(
            Seconds(3600),
            "How long an open file is served without a look at the folder where the kernel gives no notice of changes: "
            "network file systems, writes through a memory mapping. Everywhere else a change is seen at once.",
        ),
    )
    listed_entries: int = field(
        default=2000,
        metadata=setting(
            WholeNumber(1, 1_000_000),
            "Most entries of a folder that a listing shows; it says so when there are more. Each takes some ten "
            "microseconds, during which the worker does nothing else.",
        ),
    )
    small_bytes: int = field(
        default=16 * KIB,
        metadata=setting(
            WholeNumber(0, MIB),
            "Files up to this size are kept in memory and leave in one call with the head of the reply; larger ones by "
            "sendfile. 0: always sendfile.",
        ),
    )
    read_threads: int = field(
        default=8,
        metadata=setting(
            WholeNumber(0, 256),
            "Most threads of a worker that read files which aren't in memory, while it serves other connections. As "
            "many reads are under way at a time as there are threads: more help where a disk or network is slow, and "
            "each is started when it is needed. 0: the worker reads them itself, and everybody waits.",
        ),
    )
