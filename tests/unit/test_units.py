from __future__ import annotations

import pytest

from ktlsserve.units import human_size


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1024, "1.0 KiB"),
        (10_188, "9.9 KiB"),
        (10_189, "10 KiB"),
        (1_023_487, "999 KiB"),
        (1_023_488, "1.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (1 << 62, "4.0 EiB"),
    ],
)
def test_sizes(size_bytes: int, said: str) -> None:
    assert human_size(size_bytes) == said
