"""Quantities as people read them."""

from __future__ import annotations

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def human_size(size_bytes: int) -> str:
    """Return a size with two or three digits and its binary unit: ``999 B``, ``1.4 KiB``, ``213 MiB``."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    size = float(size_bytes)
    unit = "B"
    for unit in _UNITS:  # noqa: B007  (the unit that it stops at is what is wanted)
        size /= 1024
        if size < 999.5:
            break
    return f"{size:.1f} {unit}" if size < 9.95 else f"{size:.0f} {unit}"
