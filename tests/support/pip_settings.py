"""What this machine's pip is told, so that pip in another root finds packages where this one does.

pip itself is asked (``pip config list``), which knows its files and the environment; nothing is known here of what it
says. Settings become environment variables, and what they name on this machine's disk must be made visible there.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Whoever fetches needs them: where the authorities lie, and how the network is reached.
_OTHERS = re.compile(
    r"(SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(http|https|no|all)_proxy)", re.IGNORECASE
)
# Where a setting counts for all commands, or for those that make serve and make test use.
_SECTIONS = ("global", "install", ":env:")
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True, slots=True)
class PipSettings:
    """Environment variables, and the files and folders that must be seen under their own paths."""

    environment: dict[str, str]
    paths: tuple[Path, ...]


def pip_settings() -> PipSettings:
    """Ask this environment's pip."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    environment = parse_settings(listed) | {key: value for key, value in os.environ.items() if _OTHERS.fullmatch(key)}
    return PipSettings(environment, tuple(sorted({*named_paths(environment), *existing(_AUTHORITIES)})))


def parse_settings(listed: str) -> dict[str, str]:
    """Turn what ``pip config list`` prints (``global.index-url='...'``) into variables; the environment goes first."""
    values: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in listed.splitlines():
        found = re.fullmatch(r"([a-z]+|:env:)\.([a-z-]+)=('.*'|\".*\")", line)
        if found is not None and found[1] in values:
            # Lists have a line for each item; in a variable they are separated by spaces.
            values[found[1]][found[2]] = " ".join(ast.literal_eval(found[3]).split())
    merged: dict[str, str] = {}
    for section in _SECTIONS:
        merged |= values[section]
    return {f"PIP_{key.upper().replace('-', '_')}": value for key, value in merged.items()}


def named_paths(environment: dict[str, str]) -> set[Path]:
    """Return the files and folders of this machine that the values name.

    An index on the disk (``file://``) is named by a folder whose pages lead to others beside it: with its parent.
    """
    words = [word for value in environment.values() for word in value.split()]
    plain = {Path(word) for word in words if word.startswith("/")}
    indexes = {Path(word.removeprefix("file://")).parent for word in words if word.startswith("file:///")}
    return {path for path in plain | indexes - {Path("/")} if path.exists()}


def existing(path: Path) -> tuple[Path, ...]:
    """Return ``path`` if there is something."""
    return (path,) if path.exists() else ()
