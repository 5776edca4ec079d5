from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from loadtests.baselines import debian
from loadtests.baselines.errors import FetchFailed
from tests.vm.errors import PackagesError

SHELL_LOADER = '#!/bin/sh\n[ "$1" = --library-path ] && [ "$3" = --argv0 ] || exit 3\nshift 4\nexec sh "$@"\n'


def _package(folder: Path, *, status: int) -> Path:
    """Make a .deb with a loader that is a shell, and an nginx that ends with ``status``."""
    root = folder / "root"
    loader = root / "usr/lib/any-linux-gnu/ld-linux-any.so.2"
    nginx = root / "usr/sbin/nginx"
    control = root / "DEBIAN/control"
    for path, text in (
        (loader, SHELL_LOADER),
        (nginx, f"echo a library is missing >&2; exit {status}\n"),
        (control, "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: X <x@example.org>\nDescription: x\n"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    loader.chmod(0o755)
    made = folder / "x.deb"
    subprocess.run(["dpkg-deb", "-b", str(root), str(made)], check=True, capture_output=True)
    return made


def test_what_was_fetched_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = _package(tmp_path, status=0)
    monkeypatch.setattr(debian, "_download", lambda cache, scratch: [package])
    cache = tmp_path / "cache"
    assert debian.unpacked(cache) is None
    folder = debian.fetch(cache)
    assert debian.unpacked(cache) == folder
    assert (folder / "usr/sbin/nginx").exists()
    monkeypatch.setattr(debian, "_download", lambda cache, scratch: pytest.fail("fetched again"))
    assert debian.fetch(cache) == folder
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_what_does_not_run_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = _package(tmp_path, status=127)
    monkeypatch.setattr(debian, "_download", lambda cache, scratch: [package])
    with pytest.raises(FetchFailed, match="status 127: a library is missing"):
        debian.fetch(tmp_path / "cache")
    assert debian.unpacked(tmp_path / "cache") is None


def test_a_machine_without_sources_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(cache: Path, scratch: Path) -> list[Path]:
        raise PackagesError("no apt source")

    monkeypatch.setattr(debian, "_download", fail)
    with pytest.raises(FetchFailed, match="nginx of Debian trixie: no apt source"):
        debian.fetch(tmp_path / "cache")


def test_a_folder_without_a_loader_is_said(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="remove that folder"):
        debian.command(tmp_path, "usr/sbin/nginx")
