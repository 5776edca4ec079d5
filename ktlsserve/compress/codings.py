"""Content-codings, and what is worth compressing with them.

Each coding at its highest level: files are compressed once and sent often. zstd stays below its "ultra" levels, whose
windows browsers refuse: a decoder needn't take more than 8 MiB (RFC 9659 section 3).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from io import BufferedReader
from typing import Any, Protocol

from ktlsserve.errors import KtlsServeError, StartupError
from ktlsserve.http1.negotiation import SUFFIXES

BROTLI_QUALITY = 11
ZSTD_LEVEL = 19
GZIP_LEVEL = 9

_CHUNK_BYTES = 64 << 10
# Brotli's decoder returns all that a chunk becomes: a chunk that is small bounds what that may be.
_BROTLI_CHUNK_BYTES = 4 << 10

_COMPRESSIBLE = frozenset(
    b"""
    application/ecmascript application/hjson application/javascript application/json application/json5
    application/jsonl application/mbox application/n-quads application/n-triples application/postscript
    application/relax-ng-compact-syntax application/rtf application/sieve application/sparql-query application/sql
    application/srgs application/toml application/trig application/vnd.apple.mpegurl application/vnd.ms-fontobject
    application/wasm application/x-csh application/x-font-bdf application/x-font-pcf application/x-httpd-php
    application/x-latex application/x-ndjson application/x-perl application/x-sh application/x-subrip application/x-tcl
    application/x-texinfo application/xml application/xml-dtd application/yaml application/yang audio/mpegurl
    font/collection font/otf font/ttf image/bmp image/vnd.microsoft.icon model/gltf-binary model/mtl model/obj
    model/stl model/vrml model/x3d-vrml
    """.split()
)
_COMPRESSIBLE_SUFFIXES = (b"+json", b"+xml", b"+yaml")


class DamagedError(KtlsServeError):
    """What should be compressed data isn't, or isn't all of it."""


class Encoder(Protocol):
    """Compresses piece by piece."""

    def compress(self, data: bytes, /) -> bytes:
        """Take a piece, and return what is ready."""

    def flush(self) -> bytes:
        """Return the rest."""


@dataclass(frozen=True, slots=True)
class Coding:
    """A content-coding: its name in HTTP, what its files end in, and the package that it needs."""

    name: str
    package: str | None
    encoder: Callable[[int], Encoder]
    decoded: Callable[[BufferedReader], Iterator[bytes]]

    @property
    def suffix(self) -> str:
        """What the name of a file in this coding ends in."""
        return SUFFIXES[self.name.encode()].decode()


class _BrotliEncoder:
    def __init__(self) -> None:
        self._compressor: Any = import_module("brotli").Compressor(quality=BROTLI_QUALITY)

    def compress(self, data: bytes, /) -> bytes:
        ready: bytes = self._compressor.process(data)
        return ready

    def flush(self) -> bytes:
        rest: bytes = self._compressor.finish()
        return rest


def _zstd_encoder(size_bytes: int) -> Encoder:
    zstandard = import_module("zstandard")
    # Told the length, the encoder takes no larger window than that, and the decoder no more memory.
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=False)
    encoder: Encoder = compressor.compressobj(size=size_bytes)
    return encoder


def _gzip_encoder(_size_bytes: int) -> Encoder:
    # 31: a gzip header, whose time is 0, and the largest window (zlib's deflateInit2).
    return zlib.compressobj(GZIP_LEVEL, wbits=31)


def _brotli_decoded(file: BufferedReader) -> Iterator[bytes]:
    brotli = import_module("brotli")
    decompressor: Any = brotli.Decompressor()
    try:
        while chunk := file.read(_BROTLI_CHUNK_BYTES):
            yield decompressor.process(chunk)
    except brotli.error as error:
        raise DamagedError(str(error)) from error
    if not decompressor.is_finished():
        raise DamagedError("the file ends within the compressed data")


def _zstd_decoded(file: BufferedReader) -> Iterator[bytes]:
    zstandard = import_module("zstandard")
    reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    try:
        while chunk := reader.read(_CHUNK_BYTES):
            yield chunk
    except zstandard.ZstdError as error:
        raise DamagedError(str(error)) from error


def _gzip_decoded(file: BufferedReader) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=file) as reader:
            while chunk := reader.read(_CHUNK_BYTES):
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedError(str(error)) from error


CODINGS = (
    Coding("br", "brotli", lambda _size_bytes: _BrotliEncoder(), _brotli_decoded),
    Coding("zstd", "zstandard", _zstd_encoder, _zstd_decoded),
    Coding("gzip", None, _gzip_encoder, _gzip_decoded),
)
"""All codings that the server can send, the strongest first."""


def coding_named(name: str) -> Coding:
    """Return a coding by its name in HTTP or by its suffix; raise ValueError for any other name."""
    for coding in CODINGS:
        if name in (coding.name, coding.suffix[1:]):
            return coding
    known = ", ".join(coding.name for coding in CODINGS)
    raise ValueError(f"unknown coding: {name}; known are {known}")


def require_packages(codings: tuple[Coding, ...]) -> None:
    """Raise StartupError if a package isn't installed that one of ``codings`` needs."""
    for coding in codings:
        if coding.package is not None and find_spec(coding.package) is None:
            raise StartupError(
                f"making {coding.suffix} files needs the package {coding.package}: "
                "pip install 'ktlsserve[compress]', or leave them out with --codings"
            )


def is_compressible(media_type: bytes) -> bool:
    """Tell whether files of this type, as a Content-Type has it, get smaller: text, and what isn't packed already."""
    name = media_type.partition(b";")[0].strip().lower()
    return name.startswith(b"text/") or name in _COMPRESSIBLE or name.endswith(_COMPRESSIBLE_SUFFIXES)


def holds(coding: Coding, compressed: BufferedReader, plain: BufferedReader) -> bool:
    """Tell whether ``compressed`` is exactly ``plain`` in ``coding``; both are read from where they stand."""
    try:
        for piece in coding.decoded(compressed):
            if plain.read(len(piece)) != piece:
                return False
    except DamagedError:
        return False
    return not plain.read(1)
