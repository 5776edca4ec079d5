from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.baselines.quic.batches import (
    MOST_SEGMENTS,
    UDP_SEGMENT,
    Address,
    Batch,
    in_batches,
    segmentation_refused,
)

HERE: Address = ("127.0.0.1", 1)
THERE: Address = ("127.0.0.1", 2)


def _sizes(datagrams: list[tuple[int, Address]], most: int = MOST_SEGMENTS) -> list[list[int]]:
    made = [(b"x" * size, address) for size, address in datagrams]
    return [[len(data) for data in batch.datagrams] for batch in in_batches(made, most)]


def test_equal_ones_go_together_and_a_shorter_one_ends_the_batch() -> None:
    assert _sizes([(1452, HERE)] * 3 + [(100, HERE)] + [(1452, HERE)] * 2) == [[1452, 1452, 1452, 100], [1452, 1452]]


def test_a_longer_one_begins_a_batch() -> None:
    assert _sizes([(100, HERE), (1452, HERE), (1452, HERE)]) == [[100], [1452, 1452]]


def test_a_batch_has_one_address() -> None:
    assert _sizes([(1452, HERE), (1452, THERE), (1452, HERE)]) == [[1452], [1452], [1452]]


def test_a_batch_is_full_at_its_most() -> None:
    assert _sizes([(1452, HERE)] * 70) == [[1452] * 32, [1452] * 32, [1452] * 6]
    assert _sizes([(1452, HERE)] * 3, most=1) == [[1452]] * 3
    assert _sizes([(9000, HERE)] * 8) == [[9000] * 7, [9000]], "64 KB is what the kernel takes"
    assert _sizes([]) == []


@given(
    st.lists(st.tuples(st.integers(1, 1452), st.sampled_from([HERE, THERE]))),
    st.integers(1, MOST_SEGMENTS),
)
def test_nothing_is_lost_or_reordered_and_the_kernel_can_cut(datagrams: list[tuple[int, Address]], most: int) -> None:
    made = [(bytes([number % 251]) * size, address) for number, (size, address) in enumerate(datagrams)]
    batches = list(in_batches(made, most))
    assert [(data, batch.address) for batch in batches for data in batch.datagrams] == made
    for batch in batches:
        *equal, last = batch.datagrams
        assert len(batch.datagrams) <= most
        assert all(len(data) == batch.size for data in equal)
        assert 0 < len(last) <= batch.size


def test_the_kernel_is_told_where_to_cut() -> None:
    assert Batch(HERE, 1452, [b"x" * 1452]).control() == []
    (level, kind, data), *more = Batch(HERE, 3, [b"abc", b"de"]).control()
    assert (level, kind, struct.unpack("=H", data), more) == (socket.IPPROTO_UDP, UDP_SEGMENT, (3,), [])


def test_the_kernel_cuts_as_it_is_told() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        there = receiver.getsockname()
        (batch,) = in_batches([(b"abc", there), (b"def", there), (b"g", there)], 32)
        sender.sendmsg(batch.datagrams, batch.control(), 0, batch.address)
        assert [receiver.recv(100) for _ in range(3)] == [b"abc", b"def", b"g"]


def test_a_kernel_that_does_not_segment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert segmentation_refused() is None
    monkeypatch.setattr("loadtests.baselines.quic.batches.UDP_SEGMENT", 9999)
    said = segmentation_refused()
    assert said is not None
    assert "4.18" in said
