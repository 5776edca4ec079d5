from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from loadtests.bench.errors import SetupError
from loadtests.syscalls import datagrams, libc
from loadtests.syscalls.datagrams import SOL_UDP, UDP_GRO, dropped, full_receiver, most_segments, sending
from loadtests.syscalls.measuring import run
from loadtests.syscalls.subjects import Case, Method

PAYLOAD = 1472


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


def send_once(case: Case, receiver: socket.socket) -> tuple[int, list[int]]:
    """Make one call; return what it returned and the size of each datagram that came."""
    try:
        with sending(case, receiver) as subject:
            returned = subject.call(*subject.arguments[0])
            assert returned == subject.expected, libc.last_error()
    except SetupError as error:
        pytest.skip(f"looked for UDP_SEGMENT: {error}")
    # Loopback has delivered before the call returns.
    receiver.setblocking(False)
    sizes = []
    try:
        while True:
            sizes.append(len(receiver.recv(65535)))
    except BlockingIOError:
        return returned, sizes


def test_one_call_for_one(receiver: socket.socket) -> None:
    assert send_once(Case(Method.SENDTO, PAYLOAD), receiver) == (PAYLOAD, [PAYLOAD])


@pytest.mark.parametrize("batch", [1, 2, 32, 64])
@pytest.mark.parametrize("method", [Method.SENDMMSG, Method.GSO])
def test_as_many_arrive_as_the_batch_has(receiver: socket.socket, method: Method, batch: int) -> None:
    _, sizes = send_once(Case(method, PAYLOAD, batch), receiver)
    assert sizes == [PAYLOAD] * batch


@pytest.mark.parametrize(("batch", "arriving"), [(32, [32]), (64, [44, 20])])
def test_a_receiver_may_take_them_whole(receiver: socket.socket, batch: int, arriving: list[int]) -> None:
    try:
        receiver.setsockopt(SOL_UDP, UDP_GRO, 1)
    except OSError as error:
        pytest.skip(f"looked for UDP_GRO: {error}")
    _, sizes = send_once(Case(Method.GSO_WHOLE, PAYLOAD, batch), receiver)
    assert sizes == [PAYLOAD * count for count in arriving]


@pytest.mark.parametrize(
    ("method", "batch", "counted"),
    [
        (Method.SENDTO, 1, 1),
        (Method.SENDMMSG, 32, 32),
        (Method.GSO, 32, 32),
        (Method.GSO, 128, 128),
        (Method.GSO_WHOLE, 32, 1),
        (Method.GSO_WHOLE, 128, 3),
    ],
)
def test_a_full_receiver_counts_all(method: Method, batch: int, counted: int) -> None:
    try:
        with (
            full_receiver(whole=method is Method.GSO_WHOLE) as receiver,
            sending(Case(method, PAYLOAD, batch), receiver) as subject,
        ):
            for _ in range(64):
                subject.call(*subject.arguments[0])
            before = dropped(receiver)
            # Raises where another number has come.
            run(subject, 20)
            assert dropped(receiver) - before == 20 * counted
    except SetupError as error:
        pytest.skip(f"looked for UDP_SEGMENT and UDP_GRO: {error}")


def test_a_kernel_without_it_is_said(monkeypatch: pytest.MonkeyPatch, receiver: socket.socket) -> None:
    # No option of UDP has this number.
    monkeypatch.setattr(datagrams, "UDP_SEGMENT", 30_000)
    with (
        pytest.raises(SetupError, match=r"no UDP_SEGMENT \(Protocol not available\); Linux has it since 4\.18"),
        sending(Case(Method.GSO, PAYLOAD, 2), receiver),
    ):
        pass
    monkeypatch.setattr(datagrams, "UDP_GRO", 30_001)
    with pytest.raises(SetupError, match=r"no UDP_GRO .* since 5\.0"), full_receiver(whole=True):
        pass


@pytest.mark.parametrize(("payload", "segments"), [(1472, 44), (1200, 54), (100, 128)])
def test_one_call_carries_64_kb_and_128_segments_at_most(payload: int, segments: int) -> None:
    assert most_segments(payload) == segments


def test_an_address_is_packed_as_the_kernel_reads_it() -> None:
    packed = libc.pack_sockaddr_in("127.0.0.2", 0x1234)
    assert packed == struct.pack("=H", socket.AF_INET) + b"\x12\x34\x7f\x00\x00\x02" + bytes(8)


def test_what_cannot_be_left_is_an_error() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        libc.unshare(0x1)
