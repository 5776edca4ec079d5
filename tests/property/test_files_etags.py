"""Whatever is done to a file, and in whatever order: an entity-tag is that of the content it is sent with."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ktlsserve.files.content_etags import ContentEtags, EtagStore, HashErrand
from ktlsserve.files.etag_sidecar import is_sidecar, unpack_sidecar
from ktlsserve.files.root import Root
from ktlsserve.files.sidecar_etags import SidecarEtags
from tests.support.content_tags import tag_of

pytestmark = pytest.mark.slow

# Of one size, so that nothing but the content tells them apart, and of others.
CONTENTS = st.sampled_from([b"aaaa", b"bbbb", b"cccc", b"", b"ddddd"])
TIMES_S = st.sampled_from([1, 2, 1_700_000_000])


def rename(path: Path, content: bytes, time_s: int) -> None:
    draft = path.with_name("draft")
    draft.write_bytes(content)
    os.utime(draft, (time_s, time_s))
    draft.replace(path)


def overwrite(path: Path, content: bytes, time_s: int) -> None:
    path.write_bytes(content)
    os.utime(path, (time_s, time_s))


CHANGES = st.tuples(st.sampled_from([rename, overwrite]), CONTENTS, TIMES_S)
# A change in the middle of the reading, and then perhaps others.
STEPS = st.lists(st.tuples(CHANGES, st.none() | CHANGES), min_size=1, max_size=6)
Change = tuple[Callable[[Path, bytes, int], None], bytes, int]


@settings(max_examples=60)
@given(STEPS, st.booleans())
def test_a_tag_is_that_of_the_content(steps: list[tuple[Change, Change | None]], wrong_sidecar: bool) -> None:
    with tempfile.TemporaryDirectory() as name, Root(name) as root:
        folder, store = Path(name), EtagStore()
        path = folder / "file"
        etags = SidecarEtags(ContentEtags(root, store))
        for (change, content, time_s), meanwhile in steps:
            change(path, content, time_s)
            if wrong_sidecar:
                # Of the same size, and of another time: half of a copy.
                (folder / "file.etag").write_bytes(tag_of(bytes(len(content))))
                os.utime(folder / "file.etag", (time_s + 1, time_s + 1))
            file = root.open(b"file")
            found = etags.find(file, b"file", root)
            if isinstance(found, HashErrand):
                pending: list[Change] = [] if meanwhile is None else [meanwhile]

                def interfere(pending: list[Change] = pending) -> bool:
                    if pending:
                        do, data, when_s = pending.pop()
                        do(path, data, when_s)
                    return False

                etag = found.run(interfere)
                if etag is not None:
                    found.settle(etag)
                found = etags.find(file, b"file", root)
            if isinstance(found, bytes) and file.version == type(file.version).of(os.fstat(file.fd)):
                # The descriptor still has the version that was asked about: what is sent from it is this.
                assert found == tag_of(os.pread(file.fd, 100, 0))
            elif meanwhile is None:
                assert found == tag_of(content)
            file.release()


@given(st.binary(max_size=80) | st.text('0123456789abcdef"-\n', max_size=60).map(str.encode), st.integers(0, 2**64))
@example(tag_of(b"x"), 1)
@example(tag_of(b"x") + b"\r\nX: y", 1)
def test_nothing_but_an_entity_tag_comes_out_of_a_sidecar(data: bytes, size: int) -> None:
    etag = unpack_sidecar(data, size)
    if etag is None:
        return
    assert is_sidecar(data)
    assert data in (etag, etag + b"\n")
    # RFC 9110 section 8.8.3: no quotes within, nothing that could end a line.
    assert etag.startswith(b'"')
    assert etag.endswith(b'"')
    assert set(etag[1:-1]) <= set(b"0123456789abcdef-")
    assert int(etag[34:-1], 16) == size


@given(st.binary(max_size=200))
def test_what_is_made_is_taken_for_its_size_only(content: bytes) -> None:
    etag = tag_of(content)
    assert unpack_sidecar(etag, len(content)) == etag
    assert unpack_sidecar(etag, len(content) + 1) is None
