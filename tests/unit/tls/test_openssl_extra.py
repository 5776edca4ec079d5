from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from OpenSSL import SSL

from ktlsserve.tls.context import NoCommonProtocol
from ktlsserve.tls.openssl_extra import (
    continue_handshake,
    decrypt,
    drop_output,
    encrypt,
    give_input,
    input_bytes,
    look_at_output,
    output_bytes,
    session_reused,
    set_groups,
    state_callback,
    take_output,
    verify_error_text,
    watch_states,
)
from ktlsserve.tls.suites import TlsVersion
from tests.support.tls_client import MemoryClient, Wishes, shake_hands
from tests.support.tls_server import common_context, new_handshake


@pytest.mark.parametrize("group", ["X25519MLKEM768", "X25519", "P-256", "P-384"])
def test_groups_of_the_configuration_are_known(group: str) -> None:
    set_groups(SSL.Context(SSL.TLS_METHOD), (group,))


def test_an_unknown_group_is_an_error() -> None:
    with pytest.raises(ValueError, match="doesn't know all of the groups X25519, P-1024"):
        set_groups(SSL.Context(SSL.TLS_METHOD), ("X25519", "P-1024"))


def test_groups_are_what_is_offered() -> None:
    client = MemoryClient(Wishes(groups=("P-384", "P-256")))
    # supported_groups (RFC 8446 section 4.2.7): type 10, then secp384r1 and secp256r1 in that order.
    assert bytes.fromhex("000a 0006 0004 0018 0017") in client.data_to_send()


def test_a_resumption_is_told_from_a_full_handshake() -> None:
    first, handshake = MemoryClient(), new_handshake()
    shake_hands(first, handshake)
    assert not session_reused(handshake.connection)
    first.recv()
    second, handshake = MemoryClient(earlier=first), new_handshake()
    shake_hands(second, handshake)
    assert session_reused(handshake.connection)
    assert session_reused(second.connection)


@pytest.mark.parametrize(("error", "text"), [(10, "certificate has expired"), (23, "certificate revoked")])
def test_reasons_of_refusals_are_openssls(error: int, text: str) -> None:
    assert verify_error_text(error) == text


# Without exceptions.


@pytest.fixture
def pair() -> tuple[MemoryClient, SSL.Connection]:
    """A client and a server's connection that have shaken hands."""
    client, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_3)), new_handshake()
    shake_hands(client, handshake)
    client.recv(handshake.data_to_send())
    return client, handshake.connection


def test_a_handshake_waits_is_finished_or_fails() -> None:
    client, connection = MemoryClient(), common_context().new_connection()
    assert continue_handshake(connection) is False
    give_input(connection, client.data_to_send())
    assert continue_handshake(connection) is False
    client.receive_data(take_output(connection))
    give_input(connection, client.data_to_send())
    assert continue_handshake(connection) is True
    broken = common_context().new_connection()
    give_input(broken, b"\x16\x03\x01\x00\x20" + bytes(32))
    with pytest.raises(SSL.Error, match="unexpected message"):
        continue_handshake(broken)


def test_what_a_callback_raised_is_raised() -> None:
    connection = common_context().new_connection()
    give_input(connection, MemoryClient(Wishes(protocols=(b"h2",))).data_to_send())
    with pytest.raises(NoCommonProtocol):
        continue_handshake(connection)


def test_records_are_decrypted_one_at_a_time(pair: tuple[MemoryClient, SSL.Connection]) -> None:
    client, connection = pair
    assert decrypt(connection, 100) is None
    assert input_bytes(connection) == 0
    first, second = client.send(b"first"), client.send(bytes(16384))
    give_input(connection, first + second[:7])
    assert decrypt(connection, 100) == b"first"
    assert input_bytes(connection) == 7
    assert decrypt(connection, 100) is None
    assert input_bytes(connection) == 0
    give_input(connection, second[7:])
    assert decrypt(connection, 3) == bytes(3)
    assert decrypt(connection, 65536) == bytes(16381)
    assert decrypt(connection, 65536) is None


def test_the_end_and_a_violation_are_told(pair: tuple[MemoryClient, SSL.Connection]) -> None:
    client, connection = pair
    client.connection.shutdown()
    give_input(connection, client.data_to_send())
    for _ in range(2):
        with pytest.raises(SSL.ZeroReturnError):
            decrypt(connection, 100)
    handshake = new_handshake()
    shake_hands(MemoryClient(), handshake)
    connection = handshake.connection
    give_input(connection, b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(SSL.Error, match=r"bad record mac|decryption failed"):
        decrypt(connection, 100)
    with pytest.raises(SSL.Error):
        encrypt(connection, b"after it")


@pytest.mark.parametrize(
    "make", [bytes, lambda data: memoryview(b"?" + data)[1:], lambda data: memoryview(bytearray(data))]
)
def test_anything_of_bytes_is_encrypted_whole(
    make: Callable[[bytes], bytes | memoryview], pair: tuple[MemoryClient, SSL.Connection]
) -> None:
    client, connection = pair
    content = random.Random(1).randbytes(300_000)
    assert encrypt(connection, make(content)) == len(content)
    output = take_output(connection)
    assert len(output) > len(content)
    assert client.recv(output) == content


def test_output_is_looked_at_and_dropped_from_its_front(pair: tuple[MemoryClient, SSL.Connection]) -> None:
    client, connection = pair
    assert (output_bytes(connection), bytes(look_at_output(connection)), take_output(connection)) == (0, b"", b"")
    encrypt(connection, bytes(200_000))
    whole = bytes(look_at_output(connection))
    assert len(whole) == output_bytes(connection) > 200_000
    # More than one buffer of it, then less.
    drop_output(connection, 150_000)
    assert bytes(look_at_output(connection)) == whole[150_000:]
    encrypt(connection, b"behind")
    drop_output(connection, 1)
    assert output_bytes(connection) > len(whole) - 150_001
    assert client.recv(whole[:150_001] + take_output(connection)) == bytes(200_000) + b"behind"
    with pytest.raises(ValueError, match="more bytes than"):
        drop_output(connection, 1)


def test_one_callback_serves_all_connections() -> None:
    seen: list[SSL.Connection] = []
    callback = state_callback(lambda connection, where: seen.append(connection) if where else None)
    connections = [common_context().new_connection() for _ in range(2)]
    for connection in connections:
        watch_states(connection, callback)
        seen.clear()
        give_input(connection, MemoryClient().data_to_send())
        continue_handshake(connection)
        assert set(seen) == {connection}
