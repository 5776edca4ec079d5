from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


def open_descriptors() -> dict[str, str]:
    """Return what each descriptor of this process refers to."""
    links = list(Path("/proc/self/fd").iterdir())
    # The descriptor that listed the folder is gone by now.
    return {link.name: str(link.readlink()) for link in links if link.is_symlink()}


@pytest.fixture(autouse=True)
def _no_descriptor_leaks() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() == before
