from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ktlsserve.files.root import Root
from ktlsserve.kernel.openat2 import supported


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


@pytest.fixture(params=[True, False], ids=["openat2", "walk"])
def use_openat2(request: pytest.FixtureRequest) -> bool:
    """Both ways of opening, one test each."""
    if request.param and not supported():
        pytest.skip("probed openat2(2): this kernel or its sandbox has none")
    return bool(request.param)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An empty folder to serve; what lies beside it must never be served."""
    folder = tmp_path / "tree"
    folder.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"from outside")
    (tmp_path / "secret").write_bytes(b"from outside")
    return folder


@pytest.fixture
def root(tree: Path, use_openat2: bool) -> Iterator[Root]:
    with Root(tree, use_openat2=use_openat2) as opened:
        yield opened
