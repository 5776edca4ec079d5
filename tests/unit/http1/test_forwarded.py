from __future__ import annotations

from ipaddress import ip_network

import pytest

from ktlsserve.http1.forwarded import forwarded_client
from ktlsserve.networks import Networks

TRUSTED = Networks(map(ip_network, ("10.0.0.0/8", "fd00::/8")))


def head(*fields: str) -> bytes:
    lines = ["GET / HTTP/1.1", "Host: localhost", *fields, "Accept: */*", "", ""]
    return "\r\n".join(lines).encode("latin-1")


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.0.0.1", "203.0.113.9"),
        ("203.0.113.9,10.0.0.1,10.0.0.2", "203.0.113.9"),
        # Whatever a client said before isn't believed.
        ("192.0.2.66, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.66, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        ("not an address, 203.0.113.9", "203.0.113.9"),
        # All are proxies: the first one is the client.
        ("10.0.0.3, 10.0.0.2, 10.0.0.1", "10.0.0.3"),
        # What can't be read ends the walk.
        ("203.0.113.9, unknown, 10.0.0.1", "10.0.0.1"),
        ("203.0.113.9,, 10.0.0.1", "10.0.0.1"),
        ("203.0.113.9, unknown", None),
        ("203.0.113.9,", None),
        ("unknown", None),
        ("", None),
        ("  203.0.113.9\t", "203.0.113.9"),
        # With a port, in brackets, in short.
        ("203.0.113.9:50000", "203.0.113.9"),
        ("2001:DB8::9", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("[2001:db8::9]:50000", "2001:db8::9"),
        ("2001:db8::9, fd00::1", "2001:db8::9"),
        ("::ffff:203.0.113.9, ::ffff:10.0.0.1", "203.0.113.9"),
        # None of these is an address.
        ("203.0.113", None),
        ("203.0.113.009", None),
        ("203.0.113.9:", None),
        ("203.0.113.9:port", None),
        ("203.0.113.9:123456", None),
        ("2001:db8::9%eth0", None),
        ("[203.0.113.9", None),
        ("2001:db8::9]:1", None),
        ('"203.0.113.9"', None),
        ("203.0.113.9 10.0.0.1", None),
        ("203.0.113.\xb2", None),
        ("<script>", None),
        ("0x7f.1", None),
    ],
)
def test_the_client_is_the_last_who_is_no_proxy(value: str, client: str | None) -> None:
    found = forwarded_client(head(f"X-Forwarded-For: {value}"), TRUSTED)
    assert (None if found is None else str(found)) == client


def test_several_fields_are_one() -> None:
    both = head("x-forwarded-for: 192.0.2.66", "X-FORWARDED-FOR:203.0.113.9", "X-Forwarded-For: 10.0.0.1")
    assert str(forwarded_client(both, TRUSTED)) == "203.0.113.9"


@pytest.mark.parametrize("field", ["Forwarded: for=203.0.113.9", "X-Forwarded-Form: 203.0.113.9", "Forwarded-For: a"])
def test_other_fields_say_nothing(field: str) -> None:
    assert forwarded_client(head(field), TRUSTED) is None


def test_a_request_line_is_no_field() -> None:
    assert forwarded_client(b"GET /x-forwarded-for:1.2.3.4 HTTP/1.1\r\nHost: a\r\n\r\n", TRUSTED) is None
    assert forwarded_client(b"", TRUSTED) is None


def test_a_field_full_of_proxies_is_not_looked_through_to_its_end() -> None:
    value = "203.0.113.9, " + ", ".join(f"10.0.0.{number}" for number in range(100))
    assert str(forwarded_client(head(f"X-Forwarded-For: {value}"), TRUSTED)) == "10.0.0.68"
    value = "203.0.113.9, " + ", ".join(f"10.0.0.{number}" for number in range(31))
    assert str(forwarded_client(head(f"X-Forwarded-For: {value}"), TRUSTED)) == "203.0.113.9"


def test_without_further_proxies_the_last_address_holds() -> None:
    assert str(forwarded_client(head("X-Forwarded-For: 192.0.2.1, 10.0.0.1"), Networks(()))) == "10.0.0.1"
