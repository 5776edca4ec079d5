from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import bcrypt
import pytest
from argon2 import PasswordHasher

from ktlsserve import passwords
from ktlsserve.errors import StartupError
from ktlsserve.passwords import Users, load_users

BCRYPT = bcrypt.hashpw(b"secret", bcrypt.gensalt(4))
ARGON2ID = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(b"secret").encode()
LONG = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4))


def loaded(tmp_path: Path, content: bytes) -> Users:
    file = tmp_path / "users"
    file.write_bytes(content)
    return load_users(file)


@pytest.mark.parametrize("digest", [BCRYPT, BCRYPT.replace(b"$2b$", b"$2y$", 1), ARGON2ID])
def test_a_password_is_compared_with_its_hash(digest: bytes, tmp_path: Path) -> None:
    users = loaded(tmp_path, b"# staff\n\nalice:" + digest + b"\r\n")
    assert users.verify(b"alice", b"secret")
    assert not users.verify(b"alice", b"Secret")
    assert not users.verify(b"alice", b"")
    assert not users.verify(b"bob", b"secret")
    assert not users.verify(b"", b"secret")


def test_bcrypt_looks_at_the_first_72_bytes(tmp_path: Path) -> None:
    users = loaded(tmp_path, b"alice:" + LONG)
    assert users.verify(b"alice", b"x" * 100)
    assert not users.verify(b"alice", b"x" * 71)


def test_an_unknown_user_costs_a_comparison_too(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def matches(password: bytes, digest: bytes) -> bool:
        compared.append(digest)
        return True

    monkeypatch.setattr(passwords, "_matches", matches)
    users = Users({b"alice": BCRYPT, b"bob": ARGON2ID})
    assert users.verify(b"bob", b"secret")
    assert not users.verify(b"carol", b"secret")
    assert compared == [ARGON2ID, BCRYPT]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "names no user"),
        (b"# nobody\n", "names no user"),
        (b"alice\n", "line 1: must be NAME:HASH"),
        (b"\n:" + BCRYPT, "line 2: must be NAME:HASH"),
        (b"a:" + BCRYPT + b"\na:" + BCRYPT, "line 2: the name is there twice"),
        (b"alice:secret", "line 1: no hash of bcrypt or argon2id"),
        (b"alice:$apr1$x$y", "no hash of bcrypt or argon2id"),
        (b"alice:" + BCRYPT[:-1], "no hash of bcrypt or argon2id"),
        (b"alice:" + ARGON2ID.replace(b"argon2id", b"argon2i"), "no hash of bcrypt or argon2id"),
    ],
)
def test_a_wrong_line_is_named(content: bytes, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=complaint):
        loaded(tmp_path, content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"can't be read: .*/none: No such file"):
        load_users(tmp_path / "none")


def test_a_hash_is_never_said(tmp_path: Path) -> None:
    with pytest.raises(StartupError) as raised:
        loaded(tmp_path, b"alice:$1$salt")
    assert "salt" not in str(raised.value)


def test_a_missing_library_is_told_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def import_module(name: str) -> ModuleType:
        raise ImportError(name=name)

    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(StartupError, match=r"the Python package argon2: install ktlsserve\[auth\]"):
        loaded(tmp_path, b"alice:" + ARGON2ID)
