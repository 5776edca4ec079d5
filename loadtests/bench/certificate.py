"""The certificate that all servers use: one key (ECDSA P-256) and no chain, as ktlsserve makes it for itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ktlsserve.tls.self_signed import new_self_signed


def make_certificate(file: Path) -> None:
    """Write key and certificate for localhost and 127.0.0.1 to ``file``, readable for its owner only."""
    file.touch(mode=0o600)
    file.write_bytes(new_self_signed("localhost", datetime.now(UTC)))
