"""Users and their password hashes: ``name:hash`` lines, bcrypt (as ``htpasswd -B`` writes them) or argon2id.

The libraries that compute them are loaded when there are such hashes, and needn't be installed otherwise.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ktlsserve.errors import StartupError

# All three names stand for one algorithm: $2a$ and $2y$ are what other implementations call it.
_BCRYPT = re.compile(rb"\$2[aby]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_ARGON2ID = re.compile(
    rb"\$argon2id\$v=19\$m=\d{1,10},t=\d{1,10},p=\d{1,8}\$[A-Za-z0-9+/]{1,512}\$[A-Za-z0-9+/]{1,512}"
)
# bcrypt uses no more of a password, and the library refuses to ignore the rest by itself; htpasswd does.
_BCRYPT_BYTES = 72

_INSTALL = "install ktlsserve[auth]"


@dataclass(frozen=True, slots=True)
class Users:
    """The users of one file and their hashes; at least one."""

    hashes: Mapping[bytes, bytes]

    def verify(self, user: bytes, password: bytes) -> bool:
        """Tell whether ``password`` is the user's; takes as long for a user who doesn't exist."""
        known = self.hashes.get(user)
        # Somebody's hash, so that the time doesn't tell whose names exist.
        compared = next(iter(self.hashes.values())) if known is None else known
        return _matches(password, compared) and known is not None


def load_users(file: Path) -> Users:
    """Read a file of users; raise StartupError, naming the line, for what is wrong with it or missing for it."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise StartupError(f"users can't be read: {file}: {error.strerror}") from error
    hashes: dict[bytes, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith(b"#"):
            continue
        user, colon, digest = line.strip().partition(b":")
        if not colon or not user:
            raise StartupError(f"{file}, line {number}: must be NAME:HASH")
        if user in hashes:
            raise StartupError(f"{file}, line {number}: the name is there twice")
        if not _BCRYPT.fullmatch(digest) and not _ARGON2ID.fullmatch(digest):
            raise StartupError(f"{file}, line {number}: no hash of bcrypt or argon2id; make one with htpasswd -nB NAME")
        hashes[user] = digest
    if not hashes:
        raise StartupError(f"{file}: names no user")
    for module in {_module_for(digest) for digest in hashes.values()}:
        _library(module)
    return Users(hashes)


def _module_for(digest: bytes) -> str:
    return "bcrypt" if digest.startswith(b"$2") else "argon2"


def _library(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise StartupError(f"passwords need the Python package {error.name}: {_INSTALL}") from error


def _matches(password: bytes, digest: bytes) -> bool:
    """Compare a password with its hash, in the library's constant time."""
    if _module_for(digest) == "bcrypt":
        return bool(importlib.import_module("bcrypt").checkpw(password[:_BCRYPT_BYTES], digest))
    argon2 = importlib.import_module("argon2")
    try:
        return bool(argon2.PasswordHasher().verify(digest, password))
    except argon2.exceptions.VerificationError:
        return False
