"""One engine and one image for all tests here: making the base takes half a minute, once; building the image 20 s."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ktlsserve import __version__
from tests.image.base import IMAGE, make_base
from tests.image.engine import Engine, EngineFailed
from tests.support.privileges import require_root
from tests.support.server import CHECKOUT

TAG = f"localhost/ktlsserve:{__version__}"
ATTEMPTS = 3


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test that starts containers."""
    if "image" in getattr(item, "fixturenames", ()):
        item.add_marker("slow")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    require_root("makes file systems and containers")
    # Not pytest's own folders: their paths are too long for the sockets of container runtimes, and are kept.
    folder = Path(tempfile.mkdtemp(prefix="ktlsserve-image-"))
    try:
        made = Engine(folder)
        yield made
        made.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def base(engine: Engine) -> str:
    archive = engine.folder / "base.tar"
    make_base(archive)
    try:
        return engine.podman("import", str(archive), IMAGE).strip()
    finally:
        archive.unlink()


@pytest.fixture(scope="session")
def image(engine: Engine, base: str) -> str:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            engine.build(CHECKOUT, TAG, {})
            break
        except EngineFailed:
            # It fetches packages, and networks fail for a moment.
            if attempt == ATTEMPTS:
                raise
    return TAG
