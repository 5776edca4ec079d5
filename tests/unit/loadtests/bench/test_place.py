from __future__ import annotations

import socket
from pathlib import Path

import pytest

from loadtests.bench.place import Place, free_port
from loadtests.bench.workloads import Mode


def test_the_key_is_with_the_certificate_unless_it_is_said_where() -> None:
    assert Place(Path("/own"), Path("/tree"), Path("/pem"), 1, Mode.USERSPACE).key_file == Path("/pem")
    assert Place(Path("/own"), Path("/tree"), Path("/pem"), 1, Mode.USERSPACE, Path("/key")).key_file == Path("/key")


@pytest.mark.parametrize(("address", "authority"), [("127.0.0.1", "127.0.0.1:8000"), ("::1", "[::1]:8000")])
def test_urls_name_the_address(address: str, authority: str) -> None:
    place = Place(Path("/own"), Path("/tree"), Path("/pem"), 8000, Mode.PLAIN, address=address)
    assert place.authority == authority
    assert place.url("/x") == f"http://{authority}/x"


def test_a_free_port_is_free_for_both_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.bind(("127.0.0.1", port))
