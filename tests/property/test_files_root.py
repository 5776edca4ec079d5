"""Whatever path is asked for, only what belongs to the tree is opened, and both ways of opening agree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ktlsserve.errors import RequestError
from ktlsserve.files.root import Root
from ktlsserve.kernel.openat2 import supported

Identity = tuple[int, int]

# Names that exist in the tree or beside it, ways out, and what only looks like one.
KNOWN_NAMES = [
    b"a", b"b", b"file", b"up", b"out", b"top", b"absolute", b"proc", b"loop", b"tree", b"outside", b"secret", b"etc",
    b"..", b".", b"", b"...", b"..data", b" ", b"%2e%2e", b"..\0", b"\0", b"a\0", b"\\", b"..\\", b"\xff", b"\xc0\xaf",
]  # fmt: skip
components = st.one_of(st.sampled_from(KNOWN_NAMES), st.binary(max_size=8))
paths = st.one_of(st.lists(components, max_size=8).map(b"/".join), st.binary(max_size=300))


class Tree(NamedTuple):
    openers: list[Root]
    identities: frozenset[Identity]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    base = tmp_path_factory.mktemp("property")
    top = base / "tree"
    for folder in ("a/b/a", "b/a", "..data"):
        (top / folder).mkdir(parents=True)
        (top / folder / "file").write_text(folder)
        (top / folder / "up").symlink_to("../file")
        (top / folder / "out").symlink_to("../../../../outside")
        (top / folder / "top").symlink_to(".")
    (top / "file").write_text("top")
    (top / "absolute").symlink_to(base / "outside")
    (top / "proc").symlink_to("/proc/self/root")
    (top / "loop").symlink_to("loop")
    (top / "out").symlink_to("..")
    (top / os.fsdecode(b"\xff")).write_text("invalid UTF-8")
    (base / "outside").mkdir()
    (base / "outside" / "secret").write_text("secret")
    (base / "secret").write_text("secret")
    (base / "file").write_text("not this one")
    inside = [top, *(path for path in top.rglob("*") if not path.is_symlink())]
    identities = frozenset((path.stat().st_dev, path.stat().st_ino) for path in inside)
    ways = [True, False] if supported() else [False]
    openers = [Root(top, use_openat2=way) for way in ways]
    yield Tree(openers, identities)
    for opener in openers:
        opener.close()


def opened(root: Root, path: bytes) -> Identity | int:
    """Return what was opened, or the status of the refusal."""
    try:
        file = root.open(path)
    except RequestError as error:
        return error.status
    status = os.fstat(file.fd)
    assert (file.device, file.inode) == (status.st_dev, status.st_ino)
    file.release()
    return status.st_dev, status.st_ino


@given(path=paths)
@example(path=b"../secret")
@example(path=b"a/b/a/out/secret")
@example(path=b"absolute/secret")
@example(path=b"proc/etc/passwd")
@example(path=b"out/secret")
@example(path=b"/etc/passwd")
def test_only_what_belongs_to_the_tree_is_opened(tree: Tree, path: bytes) -> None:
    for root in tree.openers:
        result = opened(root, path)
        if isinstance(result, int):
            assert result in {403, 404}
        else:
            assert result in tree.identities


@given(path=paths)
@example(path=b"a/b/file")
@example(path=b"a/b/")
@example(path=b"")
@example(path=b"file/")
def test_the_walk_opens_what_openat2_opens_or_nothing(tree: Tree, path: bytes) -> None:
    by_kernel, by_walk = opened(tree.openers[0], path), opened(tree.openers[-1], path)
    assert by_walk in (by_kernel, 404)


@given(names=st.lists(st.sampled_from([b"a", b"b", b"..data", b"file"]), max_size=4))
def test_without_links_both_ways_agree(tree: Tree, names: list[bytes]) -> None:
    path = b"/".join(names)
    results = {opened(root, path) for root in tree.openers}
    assert len(results) == 1


@given(before=st.lists(components, max_size=4), after=st.lists(components, max_size=4))
def test_parents_are_refused_whatever_surrounds_them(tree: Tree, before: list[bytes], after: list[bytes]) -> None:
    path = b"/".join([*before, b"..", *after])
    for root in tree.openers:
        with pytest.raises(RequestError, match="plain form"):
            root.open(path)
