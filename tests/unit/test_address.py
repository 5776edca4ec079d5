from __future__ import annotations

import pytest

from ktlsserve.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8443", "127.0.0.1", 8443),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("[::1]:8443", "::1", 8443),
        ("[::]:443", "::", 443),
        ("[fe80::1%eth0]:443", "fe80::1%eth0", 443),
        ("localhost:65535", "localhost", 65535),
        ("www-1.example.org:80", "www-1.example.org", 80),
        ("app_1:80", "app_1", 80),
    ],
)
def test_addresses_are_parsed_and_written_alike(text: str, host: str, port: int) -> None:
    address = parse_address(text)
    assert address == Address(host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must end in a port"),
        ("8443", "must end in a port"),
        ("localhost", "must end in a port"),
        ("localhost:", "must end in a port"),
        ("localhost:https", "must end in a port"),
        ("localhost:65536", "from 0 to 65535"),
        ("localhost:-1", "must end in a port"),
        ("localhost:\u0661", "must end in a port"),
        (":8443", r"write 0\.0\.0\.0:8443 or \[::\]:8443"),
        ("::1:8443", "goes in brackets"),
        ("[::1]", "must end in a port"),
        ("[::g]:1", "not an IPv6 address"),
        ("[127.0.0.1]:1", "not an IPv6 address"),
        ("127.0.0.256:1", "not an IPv4 address"),
        ("127.1:1", "not an IPv4 address"),
        ("a b:1", "neither an IP address nor a host name"),
        ("-a:1", "neither an IP address nor a host name"),
        ("a..b:1", "neither an IP address nor a host name"),
        (f"{'a' * 64}:1", "neither an IP address nor a host name"),
        ("https://localhost:1", "goes in brackets|neither"),
    ],
)
def test_what_is_no_address_says_how_one_is_written(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_address(text)
