from __future__ import annotations

import re

import pytest

from ktlsserve.files.mime import MimeTable
from ktlsserve.files.mime_types import EXTENSIONS_OF_TYPE


@pytest.fixture(scope="module")
def table() -> MimeTable:
    return MimeTable()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"index.html", b"text/html; charset=utf-8"),
        (b"index.htm", b"text/html; charset=utf-8"),
        (b"style.css", b"text/css; charset=utf-8"),
        (b"app.js", b"text/javascript; charset=utf-8"),
        (b"app.mjs", b"text/javascript; charset=utf-8"),
        (b"app.cjs", b"text/javascript; charset=utf-8"),
        (b"app.js.map", b"application/json"),
        (b"notes.txt", b"text/plain; charset=utf-8"),
        (b"README.md", b"text/markdown; charset=utf-8"),
        (b"table.csv", b"text/csv; charset=utf-8"),
        (b"captions.vtt", b"text/vtt; charset=utf-8"),
        (b"day.ics", b"text/calendar; charset=utf-8"),
        (b"data.json", b"application/json"),
        (b"data.jsonld", b"application/ld+json"),
        (b"map.geojson", b"application/geo+json"),
        (b"app.webmanifest", b"application/manifest+json"),
        (b"conf.yaml", b"application/yaml"),
        (b"conf.toml", b"application/toml"),
        (b"feed.xml", b"application/xml"),
        (b"feed.rss", b"application/rss+xml"),
        (b"feed.atom", b"application/atom+xml"),
        (b"page.xhtml", b"application/xhtml+xml"),
        (b"logo.svg", b"image/svg+xml"),
        (b"logo.svgz", b"image/svg+xml"),
        (b"favicon.ico", b"image/vnd.microsoft.icon"),
        (b"a.png", b"image/png"),
        (b"a.jpg", b"image/jpeg"),
        (b"a.jpeg", b"image/jpeg"),
        (b"a.gif", b"image/gif"),
        (b"a.webp", b"image/webp"),
        (b"a.avif", b"image/avif"),
        (b"a.jxl", b"image/jxl"),
        (b"a.heic", b"image/heic"),
        (b"a.tiff", b"image/tiff"),
        (b"a.bmp", b"image/bmp"),
        (b"a.woff", b"font/woff"),
        (b"a.woff2", b"font/woff2"),
        (b"a.ttf", b"font/ttf"),
        (b"a.otf", b"font/otf"),
        (b"a.wasm", b"application/wasm"),
        (b"a.m3u8", b"application/vnd.apple.mpegurl"),
        (b"a.mpd", b"application/dash+xml"),
        (b"a.ts", b"video/mp2t"),
        (b"a.m4s", b"video/iso.segment"),
        (b"a.mp4", b"video/mp4"),
        (b"a.webm", b"video/webm"),
        (b"a.mov", b"video/quicktime"),
        (b"a.mkv", b"video/x-matroska"),
        (b"a.mp3", b"audio/mpeg"),
        (b"a.m4a", b"audio/mp4"),
        (b"a.ogg", b"audio/ogg"),
        (b"a.opus", b"audio/ogg"),
        (b"a.wav", b"audio/wav"),
        (b"a.flac", b"audio/flac"),
        (b"a.pdf", b"application/pdf"),
        (b"a.epub", b"application/epub+zip"),
        (b"a.zip", b"application/zip"),
        (b"a.tar", b"application/x-tar"),
        (b"a.gz", b"application/gzip"),
        (b"a.tar.gz", b"application/gzip"),
        (b"a.zst", b"application/zstd"),
        (b"a.7z", b"application/x-7z-compressed"),
        (b"a.glb", b"model/gltf-binary"),
        (b"a.usdz", b"model/vnd.usdz+zip"),
        (b"a.docx", b"application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"a.apk", b"application/vnd.android.package-archive"),
        (b"a.iso", b"application/x-iso9660-image"),
        (b"a.exe", b"application/octet-stream"),
    ],
)
def test_types_that_the_web_is_made_of(table: MimeTable, name: bytes, expected: bytes) -> None:
    assert table.type_of(name) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"docs/index.html", b"text/html; charset=utf-8"),
        (b"INDEX.HTML", b"text/html; charset=utf-8"),
        (b"a.Html", b"text/html; charset=utf-8"),
        (b"a.css.html", b"text/html; charset=utf-8"),
        (b"a..html", b"text/html; charset=utf-8"),
        (b".a.html", b"text/html; charset=utf-8"),
        ("größe.html".encode(), b"text/html; charset=utf-8"),
        (b"\xff.html", b"text/html; charset=utf-8"),
        (b"", b"application/octet-stream"),
        (b"LICENSE", b"application/octet-stream"),
        (b"html", b"application/octet-stream"),
        (b".html", b"application/octet-stream"),
        (b"docs/.html", b"application/octet-stream"),
        (b"docs.html/file", b"application/octet-stream"),
        (b"docs.html/", b"application/octet-stream"),
        (b"a.", b"application/octet-stream"),
        (b"a.html ", b"application/octet-stream"),
        (b"a.h\xc3\xbctml", b"application/octet-stream"),
        (b"a.no-such-extension", b"application/octet-stream"),
    ],
)
def test_the_last_extension_of_the_name_decides(table: MimeTable, path: bytes, expected: bytes) -> None:
    assert table.type_of(path) == expected


class TestSettings:
    def test_overrides(self) -> None:
        table = MimeTable({"ts": "text/x-typescript", ".FOO": "image/x-foo", "html": "text/html; charset=iso-8859-1"})
        assert table.type_of(b"a.ts") == b"text/x-typescript; charset=utf-8"
        assert table.type_of(b"a.foo") == b"image/x-foo"
        assert table.type_of(b"a.html") == b"text/html; charset=iso-8859-1"
        assert table.type_of(b"a.css") == b"text/css; charset=utf-8"

    def test_one_site_leaves_the_shipped_table_alone(self) -> None:
        MimeTable({"html": "text/plain"})
        assert MimeTable().type_of(b"a.html") == b"text/html; charset=utf-8"

    def test_empty_type_removes(self) -> None:
        assert MimeTable({"php": ""}, default="text/plain").type_of(b"a.php") == b"text/plain; charset=utf-8"

    def test_default(self) -> None:
        assert MimeTable(default="application/x-unknown").type_of(b"LICENSE") == b"application/x-unknown"

    def test_charset(self) -> None:
        assert MimeTable(charset="iso-8859-15").type_of(b"a.html") == b"text/html; charset=iso-8859-15"
        assert MimeTable(charset=None).type_of(b"a.html") == b"text/html"
        assert MimeTable({"a": "TEXT/plain; Charset=x"}).type_of(b"a.a") == b"TEXT/plain; Charset=x"

    @pytest.mark.parametrize(
        "media_type",
        [
            "html",
            "text/",
            "/html",
            "text/html;",
            "text/html\r\nSet-Cookie: a=b",
            "text/html; charset",
            "text/häml",
            'text/html; a="b',
            "text /html",
        ],
    )
    def test_what_is_no_media_type_is_refused(self, media_type: str) -> None:
        with pytest.raises(ValueError, match="not a media type"):
            MimeTable({"a": media_type})
        with pytest.raises(ValueError, match="not a media type"):
            MimeTable(default=media_type)

    def test_quoted_parameters_are_allowed(self) -> None:
        assert MimeTable({"a": 'video/mp4; codecs="avc1, mp4a"'}).type_of(b"a.a") == b'video/mp4; codecs="avc1, mp4a"'

    @pytest.mark.parametrize("extension", ["", ".", "tar.gz", "a/b"])
    def test_what_can_not_be_a_last_extension_is_refused(self, extension: str) -> None:
        with pytest.raises(ValueError, match="not the last extension"):
            MimeTable({extension: "text/plain"})


class TestShippedTable:
    def test_is_sorted_and_free_of_repetitions(self) -> None:
        assert list(EXTENSIONS_OF_TYPE) == sorted(EXTENSIONS_OF_TYPE)
        extensions = [name for names in EXTENSIONS_OF_TYPE.values() for name in names.split()]
        assert len(extensions) == len(set(extensions))
        assert len(extensions) > 1300
        for names in EXTENSIONS_OF_TYPE.values():
            assert names == " ".join(sorted(names.split()))

    def test_is_in_lower_case_and_of_the_known_kinds(self) -> None:
        kinds = "application|audio|chemical|font|image|message|model|text|video|x-conference|x-shader"
        for media_type, names in EXTENSIONS_OF_TYPE.items():
            assert re.fullmatch(rf"(?:{kinds})/[a-z0-9][a-z0-9.+_-]*", media_type)
            assert re.fullmatch(r"[a-z0-9+_-]+(?: [a-z0-9+_-]+)*", names)
