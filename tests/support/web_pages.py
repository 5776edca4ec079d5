"""A site as browsers get them: pages with scripts, style sheets, pictures, a font, data and a video."""

from __future__ import annotations

import struct
import zlib
from base64 import b64decode
from importlib import import_module
from pathlib import Path

from tests.support.video import make_video

_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="16"><rect width="24" height="16" fill="teal"/></svg>\n'
)
# One grey point, lossy.
_WEBP = b64decode("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
_FONTS = Path("/usr/share/fonts")

_INDEX = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Everything</title>
<link rel="icon" href="/favicon.svg">
<link rel="stylesheet" href="/assets/style.css">
<script src="/assets/classic.js" defer></script>
<script src="/assets/module.js" type="module"></script>
<h1>Everything</h1>
<img src="/assets/picture.png" alt="PNG"> <img src="/assets/picture.svg" alt="SVG"> <img src="/picture.webp" alt="WebP">
"""
_STYLE = """\
@font-face { font-family: Ours; src: url(/assets/font.ttf) }
h1 { font-family: Ours; color: rgb(1, 2, 3) }
"""
# What the scripts have done is written on the root element; tests wait for it and read it.
_CLASSIC = "document.documentElement.dataset.classic = 'ran';\n"
_MODULE = """\
import { title } from "./imported.js";
const data = await (await fetch("/data.json")).json();
await document.fonts.load("16px Ours");
Object.assign(document.documentElement.dataset, { module: `${title}: ${data.answer}` });
"""
_IMPORTED = "export const title = document.title;\n" + "// Enough to be worth compressing.\n" * 40

_VIDEO = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Video</title>
<link rel="icon" href="/favicon.svg">
<video src="/video.webm" preload="metadata" muted controls></video>
"""
_APPLICATION = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Application</title>
<link rel="icon" href="/assets/favicon.svg">
<script src="/assets/router.js" type="module"></script>
<h1></h1>
<a href="/settings/profile">Profile</a>
"""
_ROUTER = """\
const show = () => { document.querySelector("h1").textContent = location.pathname; };
document.querySelector("a").addEventListener("click", (event) => {
  event.preventDefault();
  history.pushState({}, "", event.target.href);
  show();
});
addEventListener("popstate", show);
show();
"""


def make_pages(folder: Path) -> None:
    """Make ``/``, which loads a file of each kind, and ``/video.html``."""
    assets = folder / "assets"
    assets.mkdir(parents=True)
    (folder / "index.html").write_text(_INDEX)
    (folder / "video.html").write_text(_VIDEO)
    make_video(folder / "video.webm")
    (folder / "favicon.svg").write_text(_SVG)
    (folder / "picture.webp").write_bytes(_WEBP)
    (folder / "data.json").write_text('{"answer": 42}\n')
    (assets / "style.css").write_text(_STYLE)
    (assets / "classic.js").write_text(_CLASSIC)
    (assets / "module.js").write_text(_MODULE)
    (assets / "imported.js").write_text(_IMPORTED)
    (assets / "imported.js.br").write_bytes(import_module("brotli").compress(_IMPORTED.encode()))
    (assets / "picture.svg").write_text(_SVG)
    (assets / "picture.png").write_bytes(_png(3, 2))
    (assets / "font.ttf").write_bytes(_any_font().read_bytes())


def make_application(folder: Path) -> None:
    """Make an application of a single page, which routes in the browser."""
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(_APPLICATION)
    (folder / "assets" / "favicon.svg").write_text(_SVG)
    (folder / "assets" / "router.js").write_text(_ROUTER)


def _png(width: int, height: int) -> bytes:
    """Return a teal PNG (RFC 2083): 8 bits for each of red, green and blue."""
    rows = (b"\0" + b"\x00\x80\x80" * width) * height
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def _any_font() -> Path:
    """Return a TrueType font of this system: Chromium's own packages ask for one."""
    fonts = sorted(_FONTS.rglob("*.ttf"))
    assert fonts, f"no *.ttf beneath {_FONTS}"
    return fonts[0]
