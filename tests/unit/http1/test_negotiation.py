from __future__ import annotations

import pytest

from ktlsserve.http1.negotiation import acceptable_codings

OFFERED = (b"zstd", b"br", b"gzip")


@pytest.mark.parametrize(
    ("accept_encoding", "codings"),
    [
        (None, []),
        (b"", []),
        (b"identity", []),
        (b"gzip", [b"gzip"]),
        (b"GZip", [b"gzip"]),
        (b"x-gzip", [b"gzip"]),
        (b"gzip, deflate, br, zstd", [b"zstd", b"br", b"gzip"]),
        (b"gzip;q=1.0, br;q=0.9", [b"gzip", b"br"]),
        (b"gzip ; q=0.2 ,br\t;\tQ=0.25", [b"br", b"gzip"]),
        (b"gzip;q=0.001", [b"gzip"]),
        (b"gzip;q=0", []),
        (b"gzip;q=0.000, br", [b"br"]),
        (b"*", [b"zstd", b"br", b"gzip"]),
        (b"*;q=0", []),
        (b"*;q=0.5, gzip", [b"gzip", b"zstd", b"br"]),
        (b"*, br;q=0", [b"zstd", b"gzip"]),
        (b"identity;q=0", []),
        (b"identity;q=0, gzip", [b"gzip"]),
        (b"identity;q=0, *;q=0", []),
        (b"identity;q=0.5, gzip;q=0.4, br;q=0.6", [b"br"]),
        (b"identity;q=0.5, gzip;q=0.5", [b"gzip"]),
        (b"identity, *;q=0.5", []),
        (b"gzip;q=0, gzip", []),
        (b"gzip;q=0, x-gzip", []),
        (b"gzip;q=2", []),
        (b"gzip;q=1.001", []),
        (b"gzip;q=0.0001", []),
        (b"gzip;q=.5", []),
        (b"gzip;q=", []),
        (b"gzip;q", []),
        (b"gzip;level=9", []),
        (b"gzip br", []),
        (b"gzip;q=-1, br", [b"br"]),
        (b",, br ,", [b"br"]),
        (b"gzipped, brr", []),
    ],
)
def test_acceptable_codings(accept_encoding: bytes | None, codings: list[bytes]) -> None:
    assert list(acceptable_codings(accept_encoding, OFFERED)) == codings


def test_the_servers_order_settles_ties() -> None:
    assert acceptable_codings(b"br, gzip", (b"gzip", b"br")) == (b"gzip", b"br")


def test_nothing_offered_nothing_chosen() -> None:
    assert acceptable_codings(b"gzip, *", ()) == ()
