from __future__ import annotations

import os
import socket

from loadtests.baselines.drops import parse_drops, udp_drops

LINES = [
    "  100: 0100007F:20FB 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0000 7",
    "  101: 00000000000000000000000001000000:20FB 0:0 07 00000000:00000000 00:00000000 00000000 0 0 1 2 0000 5",
    "  102: 0100007F:20FC 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0000 9",
]


def test_the_drops_of_a_port_are_added_up() -> None:
    assert parse_drops(LINES, 0x20FB) == 12
    assert parse_drops(LINES, 0x20FC) == 9
    assert parse_drops(LINES, 1) == 0


def test_a_full_buffer_drops() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = receiver.getsockname()[1]
        assert udp_drops(os.getpid(), port) == 0
        for _ in range(64):
            sender.sendto(b"x" * 1400, ("127.0.0.1", port))
        assert udp_drops(os.getpid(), port) > 0


def test_a_process_that_has_ended_has_none() -> None:
    assert udp_drops(2**22 + 1, 8443) == 0
