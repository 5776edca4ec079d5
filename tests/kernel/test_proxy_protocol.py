"""A PROXY header in front of a handshake that ends in the kernel: read in clear from a socket that has the TLS layer
already, and to the byte, or the handshake would lack what the header's reader took."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.proxy_headers import LOCAL, pack_tlv, pack_v1, pack_v2
from tests.support.server import Server
from tests.support.sized_files import make_sized_files
from tests.support.tls_counters import counting
from tests.support.wire import End, TlsWire, Wire, client_context, request

SIZE_BYTES = 1_000_000
PATH = f"/{SIZE_BYTES}.bin"
CLIENT = "203.0.113.9"
HEADERS = {
    "version 1": pack_v1(CLIENT, 50000),
    "version 2": pack_v2(CLIENT, 50000),
    "version 2 with TLVs": pack_v2(CLIENT, 50000, tlvs=pack_tlv(0xEA, bytes(3000))),
    "version 2, IPv6": pack_v2("2001:db8::9", 50000),
    "local": LOCAL,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    make_sized_files(root, (SIZE_BYTES,))
    return root


@pytest.fixture(scope="module", params=["kernel", "openssl"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Server]:
    folder, settings = tmp_path_factory.mktemp("server"), {"tls.receive": request.param}
    arguments = ["--proxy-protocol", "127.0.0.0/8"]
    with Server(folder, root, tls="kernel", settings=settings, arguments=arguments) as server:
        yield server


def fetch(server: Server, root: Path, wire: TlsWire) -> None:
    """Get the file over a connection that has finished its handshake."""
    response = wire.get(PATH)
    assert response.status == 200
    content = (root / PATH.strip("/")).read_bytes()
    assert hashlib.sha256(response.body).digest() == hashlib.sha256(content).digest()


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("pieces", ["at once", "with the ClientHello", "byte by byte"])
def test_a_connection_is_encrypted_by_the_kernel_after_its_header(
    server: Server, root: Path, name: str, pieces: str
) -> None:
    header = HEADERS[name]
    with counting() as growth, TlsWire(server.address, client_context(server), shake_hands=False) as wire:
        if pieces == "at once":
            wire.sock.sendall(header)
        elif pieces == "byte by byte":
            for byte in header:
                wire.sock.sendall(bytes((byte,)))
        else:
            # In one segment: what is behind the header must stay on the socket.
            with pytest.raises(ssl.SSLWantReadError):
                wire.tls.do_handshake()
            wire.sock.sendall(header + wire.outgoing.read())
        wire.shake_hands()
        fetch(server, root, wire)
        fetch(server, root, wire)
    assert growth["TlsTxSw"] == 1
    assert growth["TlsDecryptError"] == 0
    peer = {"local": wire.name, "version 2, IPv6": "[2001:db8::9]:50000"}.get(name, f"{CLIENT}:50000")
    server.wait_for_log(rf" {peer.replace('[', '.').replace(']', '.')}: TLS 1.3 .* tls=kernel")


def test_without_a_header_nothing_is_read_or_sent(server: Server) -> None:
    with counting() as growth, Wire(server.address) as wire:
        wire.send(request(PATH))
        assert wire.read_to_end() == b""
        assert wire.end is End.RESET
    assert growth["TlsTxSw"] == 0
