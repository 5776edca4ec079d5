"""The files of a scenario: their paths, lengths and bytes come from the scenario alone, on any machine and at any time.

A file's bytes are the key stream of AES-128 in counter mode (NIST SP 800-38A) under a key that is made of the seed and
the path: nothing can compress them, no two pieces are alike, and a gigabyte takes a second.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from loadtests.users.manifest import Asset, Manifest
from loadtests.users.scenario import Files, Scenario

_PIECE_BYTES = 1 << 20


def lengths(scenario: Scenario) -> dict[str, int]:
    """Return the length of each file by its path."""
    return {
        kind.path.replace("{n}", str(number)): _length(scenario.seed, kind, number)
        for kind in scenario.file
        for number in range(1, kind.count + 1)
    }


def contents(seed: int, path: str, length: int) -> Iterator[bytes]:
    """Yield the bytes of a file, in pieces of a megabyte."""
    key = hashlib.sha256(f"{seed} {path}".encode()).digest()[:16]
    stream = Cipher(AES(key), CTR(bytes(16))).encryptor()
    for start in range(0, length, _PIECE_BYTES):
        yield stream.update(bytes(min(_PIECE_BYTES, length - start)))


def manifest_of_scenario(scenario: Scenario) -> Manifest:
    """Return what the files of a scenario are, without making them."""
    return {path: asset_of(scenario.seed, path, length) for path, length in lengths(scenario).items()}


def asset_of(seed: int, path: str, length: int) -> Asset:
    """Return what a file is."""
    digest = hashlib.sha256()
    for piece in contents(seed, path, length):
        digest.update(piece)
    return Asset(length, digest.hexdigest())


def _length(seed: int, kind: Files, number: int) -> int:
    least, most = kind.bytes
    # An even number between 0 and 1.
    chance = int.from_bytes(hashlib.sha256(f"{seed} {kind.path} {number}".encode()).digest()[:6]) / (1 << 48)
    lowest = math.log(least + 1)
    return min(most, round(math.exp(lowest + chance * (math.log(most + 1) - lowest)) - 1))
