from __future__ import annotations

from ipaddress import ip_address

import pytest

from ktlsserve.proxy_protocol.header import Endpoint, endpoint


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("192.0.2.7", "192.0.2.7:1"),
        ("2001:DB8:0::7", "[2001:db8::7]:1"),
        (bytes((192, 0, 2, 7)), "192.0.2.7:1"),
        (bytes(15) + b"\1", "[::1]:1"),
        ("::ffff:192.0.2.7", "192.0.2.7:1"),
        (bytes(10) + b"\xff\xff\xc0\0\2\7", "192.0.2.7:1"),
    ],
)
def test_an_endpoint_is_written_as_logs_write_it(address: str | bytes, written: str) -> None:
    assert str(endpoint(address, 1)) == written


def test_endpoints_are_compared_by_value() -> None:
    assert endpoint("192.0.2.7", 1) == Endpoint(ip_address("192.0.2.7"), 1)


def test_no_address_is_no_endpoint() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        endpoint("192.0.2", 1)
