"""Ranges of a file whose offsets don't fit into 32 bits; it is sparse, so it takes no room."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.support.corpus import Response
from tests.support.server import Server
from tests.support.wire import Wire, dialer

pytestmark = pytest.mark.slow

SIZE = (5 << 30) + 7
# Written across the borders at which offsets are apt to be cut: 2 GiB, 4 GiB, and the end.
MARKED = {border: random.Random(border).randbytes(1 << 20) for border in (2 << 30, 4 << 30, SIZE - (512 << 10))}
HALF = 512 << 10
# With everything in one record or many, and what is in memory (16 KiB) or leaves by sendfile.
COUNTS = (1, 16 << 10, (16 << 10) + 1, 300_000)


@pytest.fixture(scope="module", params=["off", "userspace"])
def wire(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    root = tmp_path_factory.mktemp("root")
    with (root / "sparse.bin").open("wb") as file:
        file.truncate(SIZE)
        for border, content in MARKED.items():
            os.pwrite(file.fileno(), content, border - HALF)
    with (
        Server(tmp_path_factory.mktemp("server"), root, tls=request.param) as server,
        dialer(server)() as opened,
    ):
        yield opened


def get(wire: Wire, ranges: str) -> Response:
    return wire.get("/sparse.bin", f"Range: bytes={ranges}")


@pytest.mark.parametrize("border", MARKED)
@pytest.mark.parametrize("count", COUNTS)
def test_a_range_across_a_border(wire: Wire, border: int, count: int) -> None:
    start = border - count // 2
    # Asked twice: the second time the reply comes out of the memo.
    for _ in range(2):
        response = get(wire, f"{start}-{start + count - 1}")
        assert response.status == 206
        assert response.values(b"Content-Range") == [b"bytes %d-%d/%d" % (start, start + count - 1, SIZE)]
        assert response.body == MARKED[border][HALF - count // 2 :][:count]


@pytest.mark.parametrize("count", COUNTS)
def test_the_last_bytes(wire: Wire, count: int) -> None:
    response = get(wire, f"-{count}")
    assert response.values(b"Content-Range") == [b"bytes %d-%d/%d" % (SIZE - count, SIZE - 1, SIZE)]
    assert response.body == MARKED[SIZE - HALF][-count:]
    assert get(wire, f"{SIZE - count}-").body == response.body


def test_several_ranges_far_apart(wire: Wire) -> None:
    low, high, _ = MARKED
    response = get(wire, f"{high - 5}-{high + 40_000}, 0-3, {low - 1}-{low}, -2")
    kind = response.values(b"Content-Type")[0]
    _, *parts, end = (b"\r\n" + response.body).split(b"\r\n--" + kind.partition(b"boundary=")[2])
    assert end == b"--\r\n"
    contents = [part.partition(b"\r\n\r\n")[2] for part in parts]
    assert contents == [
        MARKED[high][HALF - 5 : HALF + 40_001],
        bytes(4),
        MARKED[low][HALF - 1 : HALF + 1],
        MARKED[SIZE - HALF][-2:],
    ]
    assert response.values(b"Content-Length") == [b"%d" % len(response.body)]


def test_behind_the_end(wire: Wire) -> None:
    response = get(wire, f"{SIZE}-")
    assert (response.status, response.values(b"Content-Range")) == (416, [b"bytes */%d" % SIZE])


def test_the_whole_is_told_by_its_length(wire: Wire) -> None:
    response = wire.get("/sparse.bin", method="HEAD")
    assert response.values(b"Content-Length") == [b"%d" % SIZE]
