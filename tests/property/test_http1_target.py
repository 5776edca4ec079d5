"""Whatever the target, the path stays below the root and a redirect stays on the host."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.errors import RequestError
from ktlsserve.http1.request import Request
from ktlsserve.http1.target import Target, resolve_target

PIECES = st.sampled_from(
    [
        "/",
        "//",
        ".",
        "..",
        "%2e",
        "%2E",
        "%2f",
        "%5c",
        "\\",
        "%00",
        "%",
        "%0d%0a",
        "a",
        "b.html",
        "?",
        "#",
        "@",
        ":",
        "http://h",
        "https://evil.example",
        ".well-known",
        "%25",
        "%ff",
        ";",
        "+",
        "%20",
        "|",
        "[",
        "]",
    ]
)
VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
TARGETS = st.lists(PIECES | VISIBLE, min_size=1, max_size=12).map(lambda parts: "".join(parts).encode())


def resolve(target: bytes) -> Target | None:
    """Return the target, or None where it is refused as one bad target among good ones."""
    try:
        return resolve_target(Request(b"GET", target, b"1.1", (), keep_alive=True))
    except RequestError as error:
        if error.status not in (400, 404) or error.fatal:
            raise
        return None


@given(TARGETS | TARGETS.map(lambda target: b"/" + target))
def test_a_path_never_leaves_the_root(target: bytes) -> None:
    resolved = resolve(target)
    if resolved is None:
        return
    assert not resolved.path.startswith(b"/")
    assert not any(octet < 32 or octet == 127 for octet in resolved.path)
    segments = resolved.path.split(b"/") if resolved.path else []
    assert all(segment and not segment.startswith(b".") for segment in segments[1:])
    assert segments[:1] in ([], [b".well-known"]) or not segments[0].startswith(b".")
    joined = posixpath.normpath(b"/root/" + resolved.path)
    assert joined == b"/root/" + resolved.path or (joined, resolved.path) == (b"/root", b"")


@given(TARGETS.map(lambda target: b"/" + target))
def test_the_path_is_the_raw_one_decoded_once(target: bytes) -> None:
    resolved = resolve(target)
    if resolved is None:
        return
    slash = b"/" if resolved.directory and resolved.path else b""
    assert unquote_to_bytes(resolved.raw_path) == b"/" + resolved.path + slash
    assert resolved.raw_path + (b"" if resolved.query is None else b"?" + resolved.query) == target


@given(TARGETS | TARGETS.map(lambda target: b"/" + target))
def test_a_redirect_stays_on_the_host_and_leads_to_the_same_path(target: bytes) -> None:
    resolved = resolve(target)
    if resolved is None or resolved.directory:
        return
    location = resolved.directory_location()
    assert location.startswith(b"/")
    assert not location.startswith((b"//", b"/\\"))
    assert all(0x21 <= octet <= 0x7E for octet in location)
    assert b"\\" not in location.partition(b"?")[0]
    joined = urlsplit(urljoin("https://home.example/x", location.decode()))
    assert joined.netloc == "home.example"
    again = resolve(location)
    assert again is not None
    assert (again.path, again.directory, again.query) == (resolved.path, True, resolved.query)
