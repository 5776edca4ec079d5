from __future__ import annotations

import pytest
from OpenSSL import SSL

from ktlsserve.tls.openssl_extra import session_reused, set_groups, verify_error_text
from tests.support.tls_client import MemoryClient, Wishes, shake_hands
from tests.support.tls_server import new_handshake


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
