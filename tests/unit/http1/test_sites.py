from __future__ import annotations

import pytest

from ktlsserve.http1.answer import Site
from ktlsserve.http1.head import parse_head
from ktlsserve.http1.request import HeadLimits, Request
from ktlsserve.http1.sites import Sites, host_name, requested_host
from tests.support.memory_site import memory_site
from tests.support.site_tree import NOW_S

DEFAULT, EXACT, WILD = memory_site(server=b"default"), memory_site(server=b"exact"), memory_site(server=b"wild")
SITES = Sites(DEFAULT, {b"a.example": EXACT, b"*.a.example": WILD, b"b.a.example": EXACT, b"[::1]": EXACT})


def request(host: str | None, target: str = "/", version: str = "1.1") -> Request:
    lines = [f"GET {target} HTTP/{version}", *([] if host is None else [f"Host: {host}"]), "", ""]
    return parse_head("\r\n".join(lines).encode("latin-1"), HeadLimits())


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        (b"a.example", b"a.example"),
        (b"A.Example:8443", b"a.example"),
        (b"a.example.", b"a.example"),
        (b"a.example.:443", b"a.example"),
        (b"a.example:", b"a.example"),
        (b"127.0.0.1:80", b"127.0.0.1"),
        (b"[::1]", b"[::1]"),
        (b"[0:0::0001]:443", b"[::1]"),
        (b"[2001:DB8::A]", b"[2001:db8::a]"),
        (b"[::ffff:1.2.3.4]", b"[::ffff:102:304]"),
        (b"[1.2]", b"[1.2]"),
    ],
)
def test_names_are_compared_in_one_form(authority: bytes, name: bytes) -> None:
    assert host_name(authority) in {name, name.replace(b"102:304", b"1.2.3.4")}


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("a.example", EXACT),
        ("A.EXAMPLE.:443", EXACT),
        ("b.a.example", EXACT),
        ("c.a.example", WILD),
        ("c.d.a.example", DEFAULT),
        ("xa.example", DEFAULT),
        ("*.a.example", WILD),
        ("localhost", DEFAULT),
        ("[0::1]:443", EXACT),
    ],
)
def test_the_host_chooses_the_site(host: str, site: object) -> None:
    assert SITES.choose(request(host)) is site


def test_the_host_in_the_target_goes_before_the_field() -> None:
    assert requested_host(request("b.example", "http://A.example:80/x")) == b"a.example"
    assert SITES.choose(request("unknown", "https://c.a.example")) is WILD


def test_who_names_no_host_gets_the_default_site() -> None:
    strict = Sites(DEFAULT, SITES.named, refuse_unknown=True)
    assert strict.choose(request(None, version="1.0")) is DEFAULT
    assert strict.choose(request("unknown")) is None


def test_an_unknown_host_may_be_refused() -> None:
    strict = Sites(DEFAULT, SITES.named, refuse_unknown=True)
    reply = strict.answer(request("unknown", "/hello.txt"), NOW_S)
    assert (reply.status, reply.close) == (421, True)
    assert strict.answer(request("a.example", "/missing"), NOW_S).status == 404


def test_a_single_site_answers_all() -> None:
    assert Sites(DEFAULT, refuse_unknown=True).choose(request("whatever")) is DEFAULT


def test_a_site_answers_in_its_own_way() -> None:
    assert b"\r\nServer: wild\r\n" in SITES.answer(request("c.a.example", "/missing"), NOW_S).head


def test_a_change_reaches_each_site_once() -> None:
    seen: list[Site] = []

    def change(site: Site) -> Site:
        seen.append(site)
        return site

    assert SITES.map(change) == SITES
    assert seen == [DEFAULT, EXACT, WILD]


def test_all_are_told_once() -> None:
    assert SITES.all() == (DEFAULT, EXACT, WILD)
    assert Sites(DEFAULT, {b"a": DEFAULT}).all() == (DEFAULT,)
