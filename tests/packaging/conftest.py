"""The archive and the wheel, built once for all tests: as a release is, but without asking the network."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.server import CHECKOUT

LIMIT_S = 120


@dataclass(frozen=True, slots=True)
class Built:
    """What was built: the archive, the same unpacked, and the wheel that was made of it."""

    archive: Path
    source: Path
    wheel: Path


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command that must succeed, and return what it prints."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    # The wheel is made of the archive, so that one which lacks something makes a wheel that lacks it too.
    run(
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        folder,
        CHECKOUT,
        env={**os.environ, "NO_COLOR": "1"},
    )
    (archive,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return Built(archive, folder / archive.name.removesuffix(".tar.gz"), wheel)
