"""Whatever the operator writes and the client sends: heads hold what they should, and redirects stay on their host."""

from __future__ import annotations

import re
import tomllib
from urllib.parse import urlsplit

import h11
from hypothesis import assume, given
from hypothesis import strategies as st

from ktlsserve.config.file import parse_config
from ktlsserve.config.toml import toml_value
from ktlsserve.errors import ConfigError, RequestError
from ktlsserve.http1.answer import Site
from ktlsserve.http1.destination import parse_redirect
from ktlsserve.http1.disposition import attachment
from ktlsserve.http1.glob import Glob
from ktlsserve.http1.head import parse_head
from ktlsserve.http1.https_redirect import HttpsRedirect
from ktlsserve.http1.reply import Reply
from ktlsserve.http1.request import HeadLimits, Request
from ktlsserve.http1.sites import host_name, requested_host
from ktlsserve.http1.target import resolve_target
from ktlsserve.supervisor.site_assembly import assemble_sites
from tests.support.memory_site import MemoryFiles
from tests.support.site_tree import NOW_S

ODD = st.text(alphabet="ab/:;,=\"'%{}*?\\\r\n\0\t \x7fü<>#@.-", max_size=12)
HEAD_LINE = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+: [\x20-\x7e]*")
TARGETS = st.one_of(
    st.binary(max_size=12).map(lambda data: b"/" + bytes(octet for octet in data if 0x20 < octet < 0x7F)),
    st.lists(st.sampled_from([b"/", b"a", b"%5C", b"%2e", b"evil.example", b"@", b":", b"%E9", b"?", b"..", b"%0d%0a"]))
    .map(lambda pieces: b"/" + b"".join(pieces)),
)  # fmt: skip
HOSTS = st.sampled_from([b"a.example", b"A.Example:80", b"[::1]:80", b"x.", b"h:", b"1.2.3.4", b"a;b=c"])


def request_for(target: bytes, host: bytes = b"a.example", *fields: bytes) -> Request:
    lines = [b"GET %b HTTP/1.1" % target, b"Host: " + host, *fields, b"", b""]
    return parse_head(b"\r\n".join(lines), HeadLimits())


def location(reply: Reply) -> bytes:
    (line,) = [line for line in reply.head.split(b"\r\n") if line.startswith(b"Location: ")]
    return line.removeprefix(b"Location: ")


def check_head(reply: Reply) -> None:
    """Every line of the head is a field that holds nothing odd, and a client reads it."""
    _, *lines, last, after = reply.head.split(b"\r\n")
    assert (last, after) == (b"", b"")
    assert all(HEAD_LINE.fullmatch(line) for line in lines), lines
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    client.receive_data(reply.head)
    assert isinstance(client.next_event(), h11.Response)


@given(
    st.sampled_from(["cache_control", "redirect", "fallback", "headers", "cors", "alt_svc", "error_pages", "rewrite"]),
    ODD,
    ODD,
    st.sampled_from([b"/hello.txt", b"/docs", b"/docs/", b"/missing", b"/%22%0a", b"/back%5Cslash/", b"/a?b"]),
)
def test_no_configuration_makes_a_head_odd(key: str, name: str, value: str, target: bytes) -> None:
    quoted, in_path = spelt(value), spelt("/" + value)
    lines = {
        "headers": f"headers = {{ {spelt('X' + name)} = {quoted} }}",
        "cors": f"cors = [{quoted}]",
        "redirect": f"redirect = {in_path}",
        "rewrite": f"rewrite = {in_path}",
        "fallback": f"fallback = {in_path}",
    }
    defaults = {"alt_svc": f"alt_svc = {quoted}", "error_pages": f"error_pages = {{ 404 = {in_path} }}"}
    own = lines.get(key, f"cache_control = {quoted}")
    text = f'[defaults]\n{defaults.get(key, "")}\n[[rule]]\npath = "/**"\ndownload = true\n{own}\n'
    assert tomllib.loads(text)
    try:
        config = parse_config(text)
    except ConfigError:
        return
    sites = assemble_sites(config, {config.server.root: MemoryFiles()})  # type: ignore[dict-item]
    reply = sites.answer(request_for(target, b"h", b"Origin: " + b"https://a"), NOW_S)
    check_head(reply)
    reply.release()


def spelt(text: str) -> str:
    """Return ``text`` as a string of TOML, control characters escaped."""
    quoted = toml_value(text)
    return re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04x}", quoted)


@given(st.binary(max_size=40))
def test_no_name_makes_a_disposition_odd(name: bytes) -> None:
    assert HEAD_LINE.fullmatch(b"Content-Disposition: " + attachment(name))
    assert attachment(name).count(b'"') == 2


@given(TARGETS, st.sampled_from(["/{path}", "/new/{rest}", "/new/{path}", "https://b.example/{rest}", "/fixed"]))
def test_a_redirect_never_leaves_the_host_that_it_names(target: bytes, text: str) -> None:
    try:
        resolved = resolve_target(request_for(target))
    except RequestError:
        assume(False)
    found = parse_redirect(text).location(resolved, Glob("/**"))
    parts = urlsplit(found)
    assert re.fullmatch(rb"[!-~]+", found)
    assert b"\\" not in found.partition(b"?")[0]
    if text.startswith("https:"):
        assert (parts.scheme, parts.netloc) == (b"https", b"b.example")
    else:
        assert (parts.scheme, parts.netloc) == (b"", b"")
        assert re.match(rb"/(?!/)", found)


@given(TARGETS, HOSTS, st.booleans())
def test_https_is_asked_of_the_host_that_was_asked(target: bytes, host: bytes, absolute: bool) -> None:
    request = request_for(b"http://" + host + target if absolute else target, host)
    reply = HttpsRedirect(port=8443).answer(request, NOW_S)
    check_head(reply)
    parts = urlsplit(location(reply))
    assert parts.scheme == b"https"
    assert parts.netloc == host_name(host) + b":8443"


@given(TARGETS, HOSTS)
def test_https_is_asked_of_our_own_names_only(target: bytes, host: bytes) -> None:
    reply = HttpsRedirect(names=frozenset({b"a.example"})).answer(request_for(target, host), NOW_S)
    check_head(reply)
    if host_name(host) == b"a.example":
        assert urlsplit(location(reply)).netloc == b"a.example"
    else:
        assert reply.status == 421


@given(st.from_regex(rb"(\[[0-9a-fA-F:.]{1,20}\]|[-A-Za-z0-9._~%]{1,20})(:[0-9]{0,5})?", fullmatch=True))
def test_a_host_has_one_form(authority: bytes) -> None:
    name = host_name(authority)
    assert host_name(name) == name or name.endswith(b".")
    assert host_name(authority.upper()) == name
    assert host_name(name + b":1") in (name, name.removesuffix(b"."))
    assert requested_host(Request(b"GET", b"/", b"1.1", ((b"host", authority),), keep_alive=True)) == name


def test_the_site_of_these_tests_is_a_site() -> None:
    sites = assemble_sites(parse_config(""), {parse_config("").server.root: MemoryFiles()})  # type: ignore[dict-item]
    assert isinstance(sites.default, Site)
    assert sites.answer(request_for(b"/hello.txt"), NOW_S).status == 200
