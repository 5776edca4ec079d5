"""Whatever a client asks a running server for, and whoever rearranges its root meanwhile: nothing from outside leaves.

A thread swaps folders, files, compressed siblings and index files for symbolic links that lead out, and moves a folder
out and in while links climb from it. Everything outside is marked, names and contents; everything inside is known.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.corpus import Response
from tests.support.server import Server
from tests.support.wire import Dial, dialer, request

pytestmark = pytest.mark.slow

SECRET = b"SECRET"
SETTINGS: dict[str, object] = {
    "defaults.precompressed": ["br", "zstd", "gzip"],
    "defaults.listing": True,
    "rule": [
        {"path": "/rewritten/**", "rewrite": "/swapped/{rest}"},
        {"path": "/app/**", "fallback": "/file.txt"},
    ],
    "defaults.error_pages": {"404": "/swapped/file.txt"},
    "log.level": "warning",
}
SUFFIXES = ("", ".br", ".zst", ".gz")
NAMES = ("file.txt", "index.html")
OUTSIDE_NAME = "SECRET.txt"
INSIDE = {f"inside {name}{suffix}".encode() for name in NAMES for suffix in SUFFIXES}
STATUSES = {200, 206, 301, 400, 403, 404, 416, 503}
REQUESTS_AT_ONCE = 12
ROUNDS = 80


def fill(folder: Path, marker: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        for suffix in SUFFIXES:
            (folder / (name + suffix)).write_text(f"{marker} {name}{suffix}")


class Swap:
    """Puts a link in the place of something, and that back in its own; each step is one rename."""

    def __init__(self, place: Path, link: Path) -> None:
        self.place, self.link, self.aside = place, link, place.with_name(f"{place.name}-aside")

    def begin(self) -> None:
        self.place.rename(self.aside)
        self.link.rename(self.place)

    def end(self) -> None:
        self.place.rename(self.link)
        self.aside.rename(self.place)


class Replacement:
    """Puts a link in a file's place, at once, and then a file of the same content in the link's."""

    def __init__(self, place: Path, target: str) -> None:
        self.place, self.target, self.content = place, target, place.read_bytes()
        self.new = place.with_name(f"{place.name}-new")

    def begin(self) -> None:
        self.new.symlink_to(self.target)
        self.new.replace(self.place)

    def end(self) -> None:
        self.new.write_bytes(self.content)
        self.new.replace(self.place)


class Move:
    """Moves a folder out of the root and in again."""

    def __init__(self, inner: Path, outer: Path) -> None:
        self.inner, self.outer = inner, outer

    def begin(self) -> None:
        self.inner.rename(self.outer)

    def end(self) -> None:
        self.outer.rename(self.inner)


def changes(root: Path) -> list[Swap | Replacement | Move]:
    """Return what is done to the tree and undone, again and again."""
    (root / "swap-link").symlink_to("../outside")
    (root / "absolute-link").symlink_to(root.parent / "outside")
    return [
        Swap(root / "swapped", root / "swap-link"),
        Swap(root / "docs", root / "absolute-link"),
        Replacement(root / "file.txt", "../outside/file.txt"),
        Replacement(root / "file.txt.gz", "../outside/file.txt.gz"),
        Replacement(root / "file.txt.br", str(root.parent / "outside" / "file.txt.br")),
        Replacement(root / "index.html", "../outside/index.html"),
        Replacement(root / "index.html.zst", "../outside/index.html.zst"),
        Move(root / "a" / "inner", root.parent / "inner"),
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("base")
    root = base / "root"
    for folder in (root, root / "swapped", root / "docs", root / "a" / "inner"):
        fill(folder, "inside")
    for folder in (base, base / "outside"):
        fill(folder, "SECRET")
        (folder / OUTSIDE_NAME).write_bytes(SECRET)
    (root / "a" / "inner" / "up").symlink_to("../../file.txt")
    (root / "a" / "inner" / "out").symlink_to("../../../outside")
    (root / "etc").symlink_to("/etc")
    (root / "proc").symlink_to("/proc/self/root")
    files = [path for path in base.rglob("*") if path.is_file() and not path.is_symlink()]
    # A secret is what lies outside, and all of it is.
    assert all((SECRET in path.read_bytes()) == (not path.is_relative_to(root)) for path in files)
    assert not any(SECRET in os.fsencode(path.name) for path in root.rglob("*"))
    return base


@pytest.fixture(scope="module")
def dial(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dial]:
    """Connections to a server whose root somebody rearranges as long as the tests run."""
    failures: list[BaseException] = []
    done = threading.Event()
    work = changes(base / "root")

    def rearrange() -> None:
        try:
            while not done.is_set():
                for change in work:
                    change.begin()
                for change in work:
                    change.end()
        except BaseException as error:  # noqa: BLE001 - handed to the thread of the test
            failures.append(error)

    with Server(tmp_path_factory.mktemp("server"), base / "root", tls="off", settings=SETTINGS) as server:
        thread = threading.Thread(target=rearrange)
        thread.start()
        try:
            yield dialer(server)
        finally:
            done.set()
            thread.join()
    assert not failures


SEGMENTS = st.one_of(
    st.sampled_from(
        [
            *(f"{name}{suffix}".encode() for name in NAMES for suffix in SUFFIXES),
            *(b"swapped", b"docs", b"a", b"inner", b"up", b"out", b"swap-link", b"absolute-link", b"rewritten", b"app"),
            *(b"outside", b"etc", b"passwd", b"proc", b"root", OUTSIDE_NAME.encode()),
            *(b"..", b".", b"", b"...", b"\0", b"file.txt\0", b"..\0", b"\\", b"..\\..", b"\xff", b"\xc0\xae\xc0\xae"),
        ]
    ),
    st.binary(max_size=6),
)
# How a segment is written: as it is where it may be, all of it encoded, or encoded twice.
SPELLINGS: list[Callable[[bytes], str]] = [
    lambda segment: quote_from_bytes(segment, safe="!$&'()*+,;=:@"),
    lambda segment: "".join(f"%{octet:02x}" for octet in segment),
    lambda segment: "".join(f"%{octet:02X}" if octet in b"./\\" else chr(octet) for octet in segment),
    lambda segment: quote_from_bytes(quote_from_bytes(segment).encode()),
]
SEPARATORS = st.sampled_from(["/", "/", "/", "/", "//", "%2f", "%2F", "\\", "%5c", "/./", "/../"])
CODINGS = st.sampled_from(["", "gzip", "br", "zstd", "*", "gzip;q=0.5, br", "identity;q=0, gzip"])
RANGES = st.sampled_from(["", "bytes=0-", "bytes=2-5", "bytes=-4", "bytes=0-1,4-5"])


@st.composite
def targets(draw: st.DrawFn) -> str:
    segments = draw(st.lists(SEGMENTS, min_size=1, max_size=4))
    pieces = ["", *(draw(st.sampled_from(SPELLINGS))(segment) for segment in segments)]
    separators = [draw(SEPARATORS) for _ in pieces[1:]]
    text = "".join(before + separator for before, separator in zip(pieces, separators, strict=False)) + pieces[-1]
    text += draw(st.sampled_from(["", "", "/", "?q"]))
    # What can't stand in a request line at all is refused with the connection: other tests are about that.
    return "/" + "".join(character for character in text.lstrip("/") if "!" <= character <= "~")


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, str, tuple[str, ...]]:
    fields = [("Accept-Encoding", draw(CODINGS)), ("Range", draw(RANGES))]
    lines = tuple(f"{name}: {value}" for name, value in fields if value)
    return draw(st.sampled_from(["GET", "GET", "GET", "HEAD"])), draw(targets()), lines


ASKED_OFTEN = [
    ("GET", target, fields)
    for target in ("/swapped/file.txt", "/file.txt", "/", "/docs/", "/a/inner/up", "/rewritten/index.html", "/app/x")
    for fields in ((), ("Accept-Encoding: gzip, br",), ("Accept-Encoding: zstd",))
]


def require_nothing_from_outside(response: Response) -> None:
    assert response.status in STATUSES
    assert SECRET not in response.body
    assert not any(SECRET in value for _, value in response.headers)
    types = response.values(b"Content-Type")
    if response.status == 200 and response.body and types == [b"text/plain; charset=utf-8"]:
        assert response.body in INSIDE


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(questions(), min_size=1, max_size=REQUESTS_AT_ONCE))
@example(ASKED_OFTEN)
@example([("GET", target, ()) for target in ("/../SECRET.txt", "/%2e%2e/SECRET.txt", "/a/inner/out/SECRET.txt")])
@example([("GET", target, ()) for target in ("/etc/passwd", "/proc/etc/passwd", "/swap-link/SECRET.txt")])
def test_nothing_from_outside_leaves(dial: Dial, asked: list[tuple[str, str, tuple[str, ...]]]) -> None:
    with dial() as wire:
        wire.send(b"".join(request(target, *fields, method=method) for method, target, fields in asked))
        heads = [method == "HEAD" for method, _, _ in asked]
        # A 503 (descriptors, or somebody at work in every attempt to open) closes the connection.
        for response in wire.responses(len(asked), heads):
            require_nothing_from_outside(response)


def test_what_is_swapped_is_asked_for_often(dial: Dial) -> None:
    # Many at once: the client waits while the server opens, and leaves the interpreter to the other thread.
    asked = ASKED_OFTEN * 4
    data = b"".join(request(target, *fields, method=method) for method, target, fields in asked)
    seen: set[int] = set()
    for _ in range(ROUNDS):
        with dial() as wire:
            wire.send(data)
            for response in wire.responses(len(asked)):
                require_nothing_from_outside(response)
                seen.add(response.status)
    # It was there and it wasn't: the swapping did come in between.
    assert {200, 404} <= seen
