"""What a wrong key, number or nonce does to a client: with such a server every test of transfers fails.

One server for each mistake; every version and cipher with each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from OpenSSL import SSL

from ktlsserve.tls.handshake import describe_openssl_error
from ktlsserve.tls.suites import SUITES, Suite
from tests.support.mutant_server import mutant
from tests.support.server import Server
from tests.support.tls_client import MemoryClient, Wishes
from tests.support.wire import End, Wire, request

CONTENT = b"what is in the file\n" * 1000
# No record that the server sends authenticates.
SPOILT_SENDING = ("sending number too high", "sending number 0")
# The server can't read what the client sends; in the latter two it would send wrongly, too.
SPOILT_RECEIVING = ("receiving number too high", "directions swapped", "salt and iv swapped")
IN_CLEAR = "no sending key"
SERVERS = ("control", *SPOILT_SENDING, *SPOILT_RECEIVING, IN_CLEAR)
# More than processors would only make each of them slow to start.
AT_ONCE = 2
# The server's certificate is ECDSA.
OFFERED = [suite for suite in SUITES if not suite.openssl_name.startswith("ECDHE-RSA")]

suites = pytest.mark.parametrize(
    "suite", OFFERED, ids=[f"{suite.version.label} {suite.cipher.label}" for suite in OFFERED]
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    root = tmp_path_factory.mktemp("root")
    (root / "file").write_bytes(CONTENT)
    folders = {name: tmp_path_factory.mktemp("server") for name in SERVERS}

    with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as pool:

        def start(name: str) -> Server:
            return stack.enter_context(Server(folders[name], root, tls="kernel", program=mutant(name)))

        yield dict(zip(SERVERS, pool.map(start, SERVERS), strict=True))


def fetch(server: Server, suite: Suite) -> tuple[bytes, End | None]:
    """Ask for the file with one suite; return what authenticates, and how the connection ended if it did.

    Raises SSL.Error as OpenSSL does for a record that doesn't authenticate.
    """
    client = MemoryClient(Wishes(suite=suite))
    received = b""
    with Wire(server.address) as wire:
        while not client.done:
            wire.send(client.data_to_send())
            client.receive_data(wire.receive())
            assert wire.end is None, "the handshake failed"
        wire.send(client.data_to_send() + client.send(request("/file")))
        while not received.endswith(CONTENT):
            data = wire.receive()
            if not data:
                break
            received += client.recv(data)
    return received, wire.end


@suites
def test_the_launcher_itself_spoils_nothing(servers: dict[str, Server], suite: Suite) -> None:
    received, end = fetch(servers["control"], suite)
    assert received.endswith(b"\r\n\r\n" + CONTENT)
    assert end is None


@suites
@pytest.mark.parametrize("name", SPOILT_SENDING)
def test_what_is_sent_wrongly_does_not_authenticate(servers: dict[str, Server], name: str, suite: Suite) -> None:
    with pytest.raises(SSL.Error) as failure:
        fetch(servers[name], suite)
    assert "decryption failed or bad record mac" in describe_openssl_error(failure.value)


@suites
@pytest.mark.parametrize("name", SPOILT_RECEIVING)
def test_what_is_received_wrongly_is_not_answered(servers: dict[str, Server], name: str, suite: Suite) -> None:
    server = servers[name]
    mark = server.log_mark()
    received, end = fetch(server, suite)
    assert received == b""
    assert end is not None
    server.wait_for_log("connection ends: a record that doesn't authenticate", since=mark)


@suites
def test_what_is_sent_in_clear_is_no_record(servers: dict[str, Server], suite: Suite) -> None:
    with pytest.raises(SSL.Error) as failure:
        fetch(servers[IN_CLEAR], suite)
    assert re.search("wrong version number|bad record type", describe_openssl_error(failure.value))
