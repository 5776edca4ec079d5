from __future__ import annotations

from ipaddress import ip_address

import pytest

from ktlsserve.clients.client import client_of, describe


@pytest.mark.parametrize(
    ("address", "same", "other", "described"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "192.0.2.1"),
        # A subscriber's 64 bits, and the next one's.
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:3::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::1", "fe81::1", "fe80::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7", "::ffff:198.51.100.8", "198.51.100.7"),
    ],
)
def test_addresses_of_a_client(address: str, same: str, other: str, described: str) -> None:
    client = client_of(ip_address(address))
    assert client_of(ip_address(same)) == client
    assert client_of(ip_address(other)) != client
    assert describe(client) == described


def test_no_ipv6_network_is_an_ipv4_address() -> None:
    assert client_of(ip_address("c000:201::")) != client_of(ip_address("192.0.2.1"))
