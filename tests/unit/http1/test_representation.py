from __future__ import annotations

import pytest

from ktlsserve.errors import RequestError
from ktlsserve.http1.representation import Representation, open_sibling, open_target
from ktlsserve.http1.target import Target
from tests.support.memory_site import MemoryFile, MemoryFiles, memory_file

TREE = {b"a.js": b"plain", b"a.js.gz": b"gz", b"a.js.br/x": b"", b"dir/one.html": b"1", b"dir/two.html/x": b""}


def target(path: bytes, *, directory: bool = False) -> Target:
    return Target(path, directory, None, b"/" + path)


class TimedFiles(MemoryFiles):
    """Files of which each has the time that is given."""

    def __init__(self, times: dict[bytes, int]) -> None:
        super().__init__(dict.fromkeys(times, b"content"))
        self.times = times

    def open(self, path: bytes) -> MemoryFile:
        file = super().open(path)
        file.mtime_ns = self.times[path]
        return file


def plain(files: MemoryFiles) -> Representation:
    opened = open_target(files, target(b"a.js"), ())
    assert opened is not None
    return opened


def test_a_file_is_itself() -> None:
    files = MemoryFiles(TREE)
    assert open_target(files, target(b"a.js"), ()) == Representation(files.opened[0], b"a.js")
    assert files.uses() == 1


def test_a_folder_without_a_slash_is_nothing() -> None:
    files = MemoryFiles(TREE)
    assert open_target(files, target(b"dir"), (b"one.html",)) is None
    assert files.uses() == 0


def test_the_first_index_that_is_a_file() -> None:
    files = MemoryFiles(TREE)
    opened = open_target(files, target(b"dir", directory=True), (b"none", b"two.html", b"one.html"))
    assert opened is not None
    assert opened.path == b"dir/one.html"
    assert files.uses() == 1


def test_the_index_of_the_root() -> None:
    opened = open_target(MemoryFiles({b"i": b""}), target(b"", directory=True), (b"i",))
    assert opened is not None
    assert opened.path == b"i"


def test_no_index_is_not_found() -> None:
    files = MemoryFiles(TREE)
    with pytest.raises(RequestError) as caught:
        open_target(files, target(b"dir", directory=True), (b"two.html",))
    assert caught.value.status == 404
    assert files.uses() == 0


def test_a_sibling_takes_the_place_of_the_file() -> None:
    files = MemoryFiles(TREE)
    sibling = open_sibling(files, plain(files), (b"zstd", b"gzip"))
    assert (sibling.path, sibling.coding, sibling.file.size) == (b"a.js", b"gzip", 2)
    assert [file.uses for file in files.opened] == [0, 1]


S = 1_000_000_000


@pytest.mark.parametrize(
    ("sibling_ns", "plain_ns", "stale"),
    [
        (5 * S, 5 * S, False),
        (5 * S + 1, 5 * S, False),
        (6 * S, 5 * S + 1, False),
        (5 * S + 1, 5 * S + 1, False),
        (5 * S + 1, 5 * S + 2, True),
        (4 * S + 999_999_999, 5 * S, True),
        # The fraction may have been lost, but no more than that.
        (5 * S, 5 * S + 999_999_999, False),
        (4 * S, 5 * S, True),
    ],
)
def test_a_sibling_older_than_the_file_is_none(sibling_ns: int, plain_ns: int, stale: bool) -> None:
    files = TimedFiles({b"a.js": plain_ns, b"a.js.br": sibling_ns})
    told: list[bytes] = []
    chosen = open_sibling(files, plain(files), (b"br",), told.append)
    assert (chosen.coding, told) == ((None, [b"a.js.br"]) if stale else (b"br", []))
    assert [file.uses for file in files.opened] == ([1, 0] if stale else [0, 1])


def test_after_a_stale_sibling_comes_the_next() -> None:
    files = TimedFiles({b"a.js": 5 * S, b"a.js.br": 4 * S, b"a.js.gz": 5 * S})
    assert open_sibling(files, plain(files), (b"br", b"gzip")).coding == b"gzip"
    assert [file.uses for file in files.opened] == [0, 0, 1]


@pytest.mark.parametrize("codings", [(), (b"zstd",), (b"br",)])
def test_without_a_sibling_the_file_stays(codings: tuple[bytes, ...]) -> None:
    files = MemoryFiles(TREE)
    opened = plain(files)
    assert open_sibling(files, opened, codings) is opened
    assert files.uses() == 1


def test_a_sibling_that_may_not_be_read_is_passed_over() -> None:
    files = MemoryFiles(TREE, refuse={b"a.js.br": 403})
    assert open_sibling(files, plain(files), (b"br", b"gzip")).coding == b"gzip"
    assert files.uses() == 1


def test_any_other_failure_is_one_and_leaves_no_file_open() -> None:
    files = MemoryFiles(TREE, refuse={b"a.js.gz": 503})
    opened = plain(files)
    with pytest.raises(RequestError) as caught:
        open_sibling(files, opened, (b"gzip",))
    assert caught.value.status == 503
    assert files.uses() == 0


def test_entity_tags_tell_the_codings_apart() -> None:
    file = memory_file(b"same")
    tags = {Representation(file, b"a", coding).tagged(file.etag) for coding in (None, b"br", b"gzip")}
    assert tags == {file.etag, file.etag[:-1] + b'-br"', file.etag[:-1] + b'-gzip"'}
