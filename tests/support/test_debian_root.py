from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support import debian_root
from tests.support.debian_root import debian_archive
from tests.vm import private_apt
from tests.vm.apt_sources import Target

SOURCES = [Target("Debian", "Debian", "bookworm", "http://mirror.test/debian")]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of root's, on a machine with bookworm."""
    monkeypatch.setenv("KTLSSERVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("KTLSSERVE_REQUIRE_KTLS", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(private_apt, "machine_release", lambda: "bookworm")
    monkeypatch.setattr(private_apt, "machine_targets", lambda _scratch: SOURCES)
    monkeypatch.setattr(private_apt, "keyring", lambda: "/keyring.gpg")
    monkeypatch.setattr(private_apt, "_PAUSES_S", ())
    return tmp_path / "cache"


def mmdebstrap(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Put a program in its place that does ``lines``; its last arguments are suite, archive and -."""
    program = folder / "mmdebstrap"
    program.write_text("\n".join(["#!/bin/bash", "set -e", *lines]))
    program.chmod(0o755)
    monkeypatch.setattr(debian_root, "find_program", lambda _name: str(program))


def test_an_archive_is_made_once_from_where_the_machine_has_its_own(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = shlex.quote(str(tmp_path / "asked"))
    mmdebstrap(tmp_path, monkeypatch, f'echo "$@" >>{asked}', f"cat >>{asked}", 'echo system >"${@: -2:1}"')
    first = debian_archive("trixie", ["make", "git"])
    assert first == debian_archive("trixie", ["git", "make"])
    assert first.parent == cache / "debian-roots"
    assert first.read_text() == "system\n"
    arguments, *sources = (tmp_path / "asked").read_text().splitlines()
    assert "--include=git,make" in arguments
    assert sources == ["deb [signed-by=/keyring.gpg] http://mirror.test/debian trixie main"]
    assert debian_archive("trixie", ["make"]) != first
    assert debian_archive("bookworm", ["make", "git"]) != first


def test_half_an_archive_is_none(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mmdebstrap(tmp_path, monkeypatch, 'echo half >"${@: -2:1}"', "echo no such suite >&2", "exit 25")
    with pytest.raises(pytest.skip.Exception, match=r"no Debian trixie: .* status 25:\nno such suite"):
        debian_archive("trixie", ["make"])
    assert list((cache / "debian-roots").iterdir()) == []
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such suite"):
        debian_archive("trixie", ["make"])


def test_others_than_root_are_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(pytest.skip.Exception, match="must be root"):
        debian_archive("trixie", ["make"])
