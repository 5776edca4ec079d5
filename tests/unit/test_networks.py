from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from ktlsserve.networks import Networks, parse_network, unmapped

HERE = Networks(map(ip_network, ("192.0.2.0/24", "198.51.100.7", "2001:db8::/32")))


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("192.0.2.0", True),
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("198.51.100.7", True),
        ("198.51.100.8", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:192.0.2.9", True),
        ("::ffff:192.0.3.9", False),
        ("::192.0.2.9", False),
    ],
)
def test_an_address_is_in_a_network_of_its_family(address: str, inside: bool) -> None:
    assert (ip_address(address) in HERE) == inside


def test_an_address_with_a_zone_is_in_its_network() -> None:
    assert ip_address("fe80::1%eth0") in Networks([ip_network("fe80::/10")])


def test_nothing_is_in_no_network() -> None:
    assert ip_address("192.0.2.1") not in Networks(())


@pytest.mark.parametrize(
    ("address", "same"),
    [("::ffff:192.0.2.7", "192.0.2.7"), ("192.0.2.7", "192.0.2.7"), ("::192.0.2.7", "::192.0.2.7"), ("::1", "::1")],
)
def test_a_mapped_address_is_the_one_that_it_stands_for(address: str, same: str) -> None:
    assert unmapped(ip_address(address)) == ip_address(same)


@pytest.mark.parametrize("text", ["192.0.2.0/24", "192.0.2.1", "0.0.0.0/0", "::/0", "2001:db8::1"])
def test_networks_are_parsed(text: str) -> None:
    assert parse_network(text) == ip_network(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no network: write"),
        ("localhost", "is no network: write"),
        ("192.0.2.0/33", "is no network: write"),
        ("192.0.2", "is no network: write"),
        ("192.0.2.0:80", "is no network: write"),
        ("192.0.2.1/24", "has bits behind its prefix: is 192.0.2.0/24 meant"),
        ("2001:db8::1/32", "has bits behind its prefix: is 2001:db8::/32 meant"),
    ],
)
def test_what_is_no_network_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_network(text)
