from __future__ import annotations

from ipaddress import IPv4Address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.http1.forwarded import forwarded_client
from ktlsserve.networks import Networks

TRUSTED = Networks([ip_network("10.0.0.0/8")])

proxies = st.integers(0x0A000000, 0x0AFFFFFF).map(IPv4Address)
clients = st.integers(0, 2**32 - 1).map(IPv4Address).filter(lambda address: address not in TRUSTED)
noise = st.text(st.characters(exclude_characters="\r\n", max_codepoint=0xFF), max_size=40)


@given(noise, clients, st.lists(proxies, max_size=8))
def test_what_a_client_says_of_itself_is_never_believed(
    said: str, client: IPv4Address, chain: list[IPv4Address]
) -> None:
    """Behind anything that the client wrote stands its address, and then those of the proxies."""
    value = ", ".join([said, str(client), *map(str, chain)])
    head = f"GET / HTTP/1.1\r\nX-Forwarded-For: {value}\r\n\r\n".encode("latin-1")
    assert forwarded_client(head, TRUSTED) == client


@given(st.binary(max_size=200))
def test_any_bytes_are_an_address_or_none(said: bytes) -> None:
    forwarded_client(b"GET / HTTP/1.1\r\nX-Forwarded-For: " + said + b"\r\n\r\n", TRUSTED)
    forwarded_client(said, TRUSTED)
