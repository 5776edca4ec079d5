from __future__ import annotations

import gzip
import importlib.util
import io
from importlib import import_module
from typing import Any

import pytest

from ktlsserve.compress.codings import (
    CODINGS,
    Coding,
    coding_named,
    holds,
    is_compressible,
    require_packages,
)
from ktlsserve.errors import StartupError
from ktlsserve.files.mime import MimeTable
from ktlsserve.http1.negotiation import SUFFIXES

TEXT = b"".join(b"line %d of a text that repeats itself\n" % number for number in range(1000))
BR, ZSTD, GZIP = CODINGS

each_coding = pytest.mark.parametrize("coding", CODINGS, ids=lambda coding: coding.name)


def compressed(coding: Coding, content: bytes, piece_bytes: int = 1 << 20) -> bytes:
    encoder = coding.encoder(len(content))
    pieces = [encoder.compress(content[at : at + piece_bytes]) for at in range(0, len(content), piece_bytes)]
    return b"".join([*pieces, encoder.flush()])


def reader(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content))


def test_every_coding_that_is_sent_can_be_made() -> None:
    assert {coding.name.encode(): coding.suffix.encode() for coding in CODINGS} == SUFFIXES


@each_coding
@pytest.mark.parametrize("content", [b"", b"x", TEXT])
def test_what_is_compressed_holds_what_it_was_made_of(coding: Coding, content: bytes) -> None:
    data = compressed(coding, content)
    assert holds(coding, reader(data), reader(content))
    assert b"".join(coding.decoded(reader(data))) == content


@each_coding
def test_text_gets_much_smaller(coding: Coding) -> None:
    assert len(compressed(coding, TEXT)) < len(TEXT) / 10


@each_coding
def test_the_same_content_becomes_the_same_bytes(coding: Coding) -> None:
    assert compressed(coding, TEXT) == compressed(coding, TEXT)


def test_gzip_says_no_time() -> None:
    assert compressed(GZIP, TEXT)[4:8] == bytes(4)
    assert gzip.decompress(compressed(GZIP, TEXT)) == TEXT


@pytest.mark.parametrize("size_bytes", [1000, 9 << 20])
def test_browsers_accept_the_window_of_zstd(size_bytes: int) -> None:
    parameters = import_module("zstandard").get_frame_parameters(compressed(ZSTD, bytes(size_bytes)))
    assert parameters.content_size == size_bytes
    assert parameters.window_size <= 8 << 20


@each_coding
@pytest.mark.parametrize(
    "content",
    [TEXT[:-1], TEXT + b"x", TEXT.replace(b"line 999", b"line 998"), b"", b"x" + TEXT],
    ids=["shorter", "longer", "changed", "empty", "shifted"],
)
def test_other_content_is_told_apart(coding: Coding, content: bytes) -> None:
    assert not holds(coding, reader(compressed(coding, TEXT)), reader(content))


@each_coding
def test_what_is_not_compressed_data_holds_nothing(coding: Coding) -> None:
    data = compressed(coding, TEXT)
    for damaged in (b"", b"nonsense", TEXT, data[: len(data) // 2], data + b"more", b"\xff" * 1000):
        assert not holds(coding, reader(damaged), reader(TEXT))


def test_errors_of_the_disk_are_not_taken_for_damage() -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _buffer: Any) -> int:
            raise OSError(5, "Input/output error")

    for coding in CODINGS:
        with pytest.raises(OSError, match="Input/output error"):
            holds(coding, io.BufferedReader(Broken()), reader(TEXT))


def test_codings_are_named_as_in_http_or_as_their_files() -> None:
    assert [coding_named(name) for name in ("br", "zstd", "zst", "gzip", "gz")] == [BR, ZSTD, ZSTD, GZIP, GZIP]
    for name in ("", "deflate", "BR"):
        with pytest.raises(ValueError, match="known are br, zstd, gzip"):
            coding_named(name)


def test_packages_that_are_there_are_enough() -> None:
    require_packages(CODINGS)


def test_a_missing_package_is_named_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ktlsserve.compress.codings.find_spec", lambda _name: None)
    require_packages((GZIP,))
    with pytest.raises(StartupError, match=r"\.br files needs the package brotli: pip install 'ktlsserve\[compress\]'"):
        require_packages((BR, GZIP))
    assert importlib.util.find_spec("brotli") is not None


@pytest.mark.parametrize(
    ("names", "compressible"),
    [
        ("a.html a.css a.js a.mjs a.txt a.md a.csv a.vtt a.ics", True),
        ("a.json a.geojson a.webmanifest a.xml a.svg a.rss a.atom a.xhtml a.wasm a.yaml a.toml a.sql", True),
        ("a.ttf a.otf a.eot a.ico a.bmp a.m3u8 a.mpd a.gltf a.glb", True),
        ("a.png a.jpg a.webp a.avif a.gif a.mp4 a.webm a.mp3 a.woff a.woff2 a.pdf a.zip a.tar", False),
        ("a.gz a.br a.zst a.js.gz a.js.br a.js.zst a.js.etag a.exe a README", False),
    ],
)
def test_what_is_worth_compressing(names: str, compressible: bool) -> None:
    types = MimeTable()
    assert {name: is_compressible(types.type_of(name.encode())) for name in names.split()} == dict.fromkeys(
        names.split(), compressible
    )


def test_a_type_may_have_parameters_and_capitals() -> None:
    assert is_compressible(b"Application/JSON ; charset=utf-8")
