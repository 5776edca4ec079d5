from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ktlsserve.compress.codings import CODINGS, Coding, holds
from ktlsserve.compress.command import run_compress

CONTENT = st.one_of(
    st.binary(max_size=500), st.builds(lambda unit, times: unit * times, st.binary(), st.integers(0, 999))
)
# What runs of the command, and people, put side by side.
NAMES = st.sampled_from([f"{stem}{suffix}" for stem in ("a.js", "b.txt") for suffix in ("", ".br", ".zst", ".gz")])


def reader(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content))


# Brotli's tables for its best quality take their time to be made, whatever the content.
unhurried = settings(max_examples=50, deadline=None)


@unhurried
@given(coding=st.sampled_from(CODINGS), content=CONTENT, cuts=st.lists(st.integers(0, 5000), max_size=5))
def test_however_it_is_cut_it_is_compressed_to_the_same_content(
    coding: Coding, content: bytes, cuts: list[int]
) -> None:
    encoder = coding.encoder(len(content))
    ends = sorted(min(cut, len(content)) for cut in cuts)
    pieces = [content[begin:end] for begin, end in zip([0, *ends], [*ends, len(content)], strict=True)]
    data = b"".join([encoder.compress(piece) for piece in pieces] + [encoder.flush()])
    assert holds(coding, reader(data), reader(content))


@unhurried
@given(coding=st.sampled_from(CODINGS), data=st.binary(max_size=100), content=st.binary(max_size=50))
def test_no_bytes_are_too_damaged_to_be_told(coding: Coding, data: bytes, content: bytes) -> None:
    assert holds(coding, reader(data), reader(content)) in (False, True)


@settings(max_examples=15, deadline=None)
@given(files=st.dictionaries(NAMES, st.tuples(CONTENT, st.integers(1, 3)), max_size=8))
def test_after_a_run_each_sibling_is_its_original(files: dict[str, tuple[bytes, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, (content, time_s) in files.items():
            (root / name).write_bytes(content)
            os.utime(root / name, (time_s, time_s))
        assert run_compress([folder, "--min-bytes", "100"], io.StringIO(), io.StringIO()) == 0
        for name, (content, _) in files.items():
            if name.endswith((".js", ".txt")):
                assert (root / name).read_bytes() == content
        for original in [path for path in root.iterdir() if path.suffix in (".js", ".txt")]:
            for coding in CODINGS:
                sibling = original.with_name(original.name + coding.suffix)
                # One that has the original's time, and is no newer, was there before: nobody says that it is right.
                if sibling.exists():
                    with sibling.open("rb") as data, original.open("rb") as plain:
                        assert holds(coding, data, plain) or (
                            files[sibling.name] == (sibling.read_bytes(), files[original.name][1])
                        )
        before = {path.name: path.stat() for path in root.iterdir()}
        assert run_compress([folder, "--min-bytes", "100", "--check"], io.StringIO(), io.StringIO()) == 0
        assert {path.name: path.stat() for path in root.iterdir()} == before
