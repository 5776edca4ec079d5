"""What the admin endpoint says of connections that the kernel encrypts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.admin_client import AdminClient
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.support.wire import dialer

LARGE_BYTES = 2_000_000


@pytest.mark.parametrize("receive", ["kernel", "openssl"])
def test_the_kernels_part_is_told_and_no_network_cards(tmp_path: Path, receive: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "large").write_bytes(bytes(LARGE_BYTES))
    settings = {"tls.receive": receive, "admin.listen": ["127.0.0.1:0"]}
    with Server(tmp_path / "server", root, tls="kernel", settings=settings) as server:
        admin = AdminClient(server)
        with dialer(server)() as wire:
            assert len(wire.get("/large").body) == LARGE_BYTES
            wait_until(lambda: admin.status()["connections"]["kernel"] == 1, "a connection that the kernel encrypts")
            status = admin.status()
            assert status["kernel_tls_stat"]["TlsCurrTxSw"] == 1
            assert status["kernel_tls_stat"]["TlsCurrRxSw"] == (receive == "kernel")
            software, card, userspace, off = status["tls_paths"]
            assert (software["path"], software["connections"]) == ("kernel_software", 1)
            assert software["sent_bytes"] > LARGE_BYTES
            for unused in (card, userspace, off):
                assert (unused["connections"], unused["sent_bytes"]) == (0, 0)
            assert admin.metric("ktlsserve_sent_bytes_total", path="sendfile", tls="kernel") == LARGE_BYTES
            receives = "kernel" if receive == "kernel" else "userspace"
            assert admin.metric("ktlsserve_tls_connections_total", sends="kernel", receives=receives) == 1
            assert admin.metric("ktlsserve_kernel_tls_stat", counter="TlsCurrTxSw") == 1
            assert "Kernel, in software" in admin.ask("/")[1]
        wait_until(lambda: admin.status()["connections"]["kernel"] == 0, "the end of the connection")
        assert admin.status()["kernel_tls_stat"]["TlsCurrTxSw"] == 0
