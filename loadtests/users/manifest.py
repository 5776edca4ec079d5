"""What a server must answer with: the length and the SHA-256 of the file behind each path.

A manifest is JSON: ``{"/pages/1.html": {"bytes": 2211, "sha256": "0f3c..."}, ...}``, with decoded paths.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.users.errors import LoadTestError

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Asset:
    """What is behind a path."""

    bytes: int
    sha256: str


Manifest = Mapping[str, Asset]


def read_manifest(file: Path) -> Manifest:
    """Read a manifest; raises LoadTestError with the first thing that is wrong with it."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise LoadTestError(f"{file}: can't be read: {error.strerror}") from None
    except ValueError as error:
        raise LoadTestError(f"{file}: is no JSON: {error}") from None
    if not isinstance(document, dict) or not document:
        raise LoadTestError(f"{file}: must map paths to what is behind them, and names none")
    return {path: _asset(file, path, entry) for path, entry in document.items()}


def write_manifest(manifest: Manifest, file: Path) -> None:
    """Write a manifest, in the order of its paths."""
    entries = {path: asdict(manifest[path]) for path in sorted(manifest)}
    file.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def manifest_of_folder(root: Path) -> Manifest:
    """Return what is in a folder, but for hidden files, which ktlsserve hides too, and for what leads out of it."""
    found = {}
    for file in sorted(root.rglob("*")):
        parts = file.relative_to(root).parts
        if file.is_file() and not file.is_symlink() and not any(part.startswith(".") for part in parts):
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256")
                length = stream.tell()
            found["/" + "/".join(parts)] = Asset(length, digest.hexdigest())
    if not found:
        raise LoadTestError(f"{root}: there are no files that a server would show")
    return found


def _asset(file: Path, path: str, entry: object) -> Asset:
    match entry:
        case {"bytes": int(length), "sha256": str(sha256), **rest} if (
            not rest and length >= 0 and _SHA256.fullmatch(sha256) and path.startswith("/")
        ):
            return Asset(length, sha256)
    raise LoadTestError(f'{file}: {path}: must be a path and {{"bytes": length, "sha256": 64 hexadecimal digits}}')
