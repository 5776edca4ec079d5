"""A stand-in for the base image, made of Debian packages, since no registry is asked for one.

It has what the Dockerfile takes from ``python:3.13-slim``: the Debian release below it, Python 3.13 with venv, and
Python's library without compiled modules.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

from tests.support.debian_root import debian_archive

NAME = "python:3.13-slim"
# Among the images of this machine a short name is looked for here first.
IMAGE = f"localhost/{NAME}"
_SUITE = "trixie"
_PACKAGES = ("python3", "python3-venv", "ca-certificates")


def make_base(archive: Path) -> None:
    """Write the base's file system; skips or fails the test where there can be none."""
    with tarfile.open(debian_archive(_SUITE, _PACKAGES)) as whole, tarfile.open(archive, "w") as base:
        for member in whole:
            if "__pycache__" not in member.name:
                base.addfile(member, whole.extractfile(member) if member.isreg() else None)
