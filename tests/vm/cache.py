"""Where fetched packages and kernels are kept: outside the checkout, shared by all checkouts."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_root() -> Path:
    """Name the cache folder: $KTLSSERVE_CACHE, else $XDG_CACHE_HOME/ktlsserve, else ~/.cache/ktlsserve."""
    own = os.environ.get("KTLSSERVE_CACHE")
    if own:
        return Path(own).expanduser().resolve()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache").resolve() / "ktlsserve"


@contextmanager
def cache_lock(cache: Path) -> Iterator[None]:
    """Keep other runs out of the cache while this one fills it; the kernel drops the lock of a run that dies."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
