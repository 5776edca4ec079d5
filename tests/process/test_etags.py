"""Entity-tags that don't depend on times: several machines, sidecars, and files that are replaced all the time."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.content_tags import tag_of
from tests.support.server import Server
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import Wire, dialer

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-m", "ktlsserve", "etags")
# Some need one send, some sendfile, and one is longer than what a request waits for.
FILES = {
    "index.html": b"<p>hello\n",
    "app.js": b"console.log(1)\n" * 5000,
    "app.js.br": b"not really brotli",
    "empty.txt": b"",
    "long.bin": bytes(17 << 20),
}
SETTINGS: dict[str, object] = {"defaults.precompressed": ["br"]}
REPLACEMENTS = 150


def make_tree(folder: Path, time_s: int) -> Path:
    """Write the files; each has a time of its own."""
    folder.mkdir()
    for number, (name, content) in enumerate(FILES.items()):
        (folder / name).write_bytes(content)
        os.utime(folder / name, (time_s, time_s + number))
    return folder


def replace(path: Path, content: bytes, time_s: int) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    os.utime(draft, (time_s, time_s))
    draft.replace(path)


def make_sidecars(root: Path) -> None:
    subprocess.run([*COMMAND, str(root)], check=True, capture_output=True)


def etag_of(wire: Wire, path: str, *fields: str) -> bytes | None:
    response = wire.get(path, *fields, method="HEAD")
    assert response.status == 200
    return next(iter(response.values(b"ETag")), None)


def settled_etag(wire: Wire, path: str, *fields: str) -> bytes:
    """Return the entity-tag as soon as it is known: that of a long file, or on a busy machine, takes a moment."""
    return wait_until(lambda: etag_of(wire, path, *fields), f"an entity-tag of {path}")


@pytest.fixture(params=["content", "sidecar"])
def etags(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def machines(tmp_path: Path, etags: str) -> Iterator[list[Wire]]:
    """Two servers with the same files of different times, and a connection to each."""
    with ExitStack() as stack:
        wires = []
        for name, time_s in (("a", 1), ("b", 1_700_000_000)):
            tree = make_tree(tmp_path / name, time_s)
            if (etags, name) == ("sidecar", "a"):
                # On one machine only: the other one comes to the same by itself.
                make_sidecars(tree)
            settings = {**SETTINGS, "defaults.etags": etags}
            server = stack.enter_context(Server(tmp_path / f"server-{name}", tree, tls="off", settings=settings))
            wires.append(stack.enter_context(dialer(server)()))
        yield wires


def test_machines_agree(machines: list[Wire]) -> None:
    for name in ("index.html", "app.js", "empty.txt", "long.bin"):
        assert [settled_etag(wire, f"/{name}") for wire in machines] == [tag_of(FILES[name])] * 2
    sibling = tag_of(FILES["app.js.br"])[:-1] + b'-br"'
    assert [settled_etag(wire, "/app.js", "Accept-Encoding: br") for wire in machines] == [sibling] * 2


def test_what_one_machine_said_another_takes(machines: list[Wire]) -> None:
    said = settled_etag(machines[0], "/app.js").decode()
    other = machines[1]
    settled_etag(other, "/app.js")
    response = other.get("/app.js", f"If-None-Match: {said}")
    assert (response.status, response.values(b"ETag"), response.body) == (304, [said.encode()], b"")
    resumed = other.get("/app.js", "Range: bytes=1000-", f"If-Range: {said}")
    assert (resumed.status, resumed.body) == (206, FILES["app.js"][1000:])
    assert other.get("/app.js", "Range: bytes=1000-", 'If-Range: "other"').body == FILES["app.js"]
    assert other.get("/app.js", f"If-Match: {said}").status == 200
    assert other.get("/app.js", 'If-Match: "other"').status == 412


def test_a_change_that_only_the_content_tells_of(machines: list[Wire], tmp_path: Path) -> None:
    for name, wire in zip("ab", machines, strict=True):
        path = tmp_path / name / "index.html"
        before = settled_etag(wire, "/index.html")
        status = path.stat()
        for content in (b"<p>HELLO\n", b"<p>Hello\n"):
            replace(path, content, int(status.st_mtime) + 1)
            assert settled_etag(wire, "/index.html") == tag_of(content)
            response = wire.get("/index.html", f"If-None-Match: {before.decode()}")
            assert (response.status, response.body) == (200, content)


def test_a_long_file_is_sent_before_its_entity_tag_is_known(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", 1)
    settings = {**SETTINGS, "defaults.etags": "content"}
    with Server(tmp_path / "server", tree, tls="off", settings=settings) as server, dialer(server)() as wire:
        response = wire.get("/long.bin", f"If-None-Match: {tag_of(FILES['long.bin']).decode()}")
        assert (response.status, response.values(b"ETag"), response.body) == (200, [], FILES["long.bin"])
        assert settled_etag(wire, "/long.bin") == tag_of(FILES["long.bin"])


def test_with_a_sidecar_it_has_one_at_once(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", 1)
    make_sidecars(tree)
    settings = {**SETTINGS, "defaults.etags": "sidecar", "defaults.listing": True}
    with Server(tmp_path / "server", tree, tls="off", settings=settings) as server, dialer(server)() as wire:
        assert etag_of(wire, "/long.bin") == tag_of(FILES["long.bin"])
        assert [wire.get(f"/{name}.etag").status for name in FILES] == [404] * len(FILES)


@pytest.mark.parametrize("etags", ["content", "sidecar"])
@pytest.mark.parametrize("length", [64, 100_000])
def test_old_content_never_has_the_new_entity_tag_nor_the_other_way_round(
    tmp_path: Path, etags: str, length: int
) -> None:
    """Files of one size and one time are put in each other's place while clients ask; so are their sidecars."""
    tree = tmp_path / "tree"
    tree.mkdir()
    contents = [bytes([65 + number]) * length for number in range(5)]
    path = tree / "page.html"
    replace(path, contents[0], 1)
    stop = threading.Event()
    wrong: list[str] = []
    seen: set[bytes] = set()

    def read(server: Server) -> None:
        with dialer(server)() as wire:
            while not stop.is_set():
                response = wire.get("/page.html")
                said = response.values(b"ETag")
                if said and said != [tag_of(response.body)]:
                    wrong.append(f"{said} with {response.body[:1]!r}")
                seen.update(said)

    settings = {**SETTINGS, "defaults.etags": etags}
    with Server(tmp_path / "server", tree, tls="off", workers=2, settings=settings) as server:
        clients = [threading.Thread(target=read, args=(server,)) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for number in range(REPLACEMENTS):
                content = contents[number % len(contents)]
                if etags == "sidecar":
                    # Of another time than the file's, as a copy that is half done: it must not count.
                    replace(tree / "page.html.etag", tag_of(content), 2)
                replace(path, content, 1)
            # A pause in which the tag of the last one becomes known.
            last = tag_of(content)
            wait_until(lambda: last in seen, "the entity-tag of the last file")
        finally:
            stop.set()
            for client in clients:
                client.join(LIMIT_S)
    assert wrong == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_leaves_whole_sidecars_only(tmp_path: Path, number: signal.Signals) -> None:
    root = tmp_path / "site"
    root.mkdir()
    content = os.urandom(1000)
    for count in range(3000):
        (root / f"{count}.txt").write_bytes(content)
    process = subprocess.Popen([*COMMAND, str(root), "--jobs", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: next(root.glob("*.etag"), None) or process.poll() is not None, "a sidecar")
    process.send_signal(number)
    output, errors = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, output, errors) == (1, b"", b"")
    made = [path for path in root.iterdir() if path.suffix != ".txt"]
    assert 0 < len(made) < 3000
    assert {path.suffix for path in made} == {".etag"}
    assert {path.read_bytes() for path in made} == {tag_of(content)}
    done = subprocess.run([*COMMAND, str(root)], capture_output=True, check=True, text=True)
    found = re.fullmatch(r"([\d,]+) made, ([\d,]+) up to date\n", done.stdout)
    assert found is not None
    assert int(found[2].replace(",", "")) == len(made)


def test_a_tree_that_was_copied_with_its_times_keeps_its_sidecars(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", 1_700_000_000)
    make_sidecars(tree)
    copy = shutil.copytree(tree, tmp_path / "copy")
    checked = subprocess.run([*COMMAND, str(copy), "--check"], capture_output=True, check=True)
    assert checked.stdout == b"0 to make, 5 up to date\n"
