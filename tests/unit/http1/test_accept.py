from __future__ import annotations

import pytest

from ktlsserve.http1.accept import media_weight

JSON = b"application/json"
HTML = b"text/html"
UTF8 = frozenset(((b"charset", b"utf-8"),))


@pytest.mark.parametrize(
    ("accept", "json", "html"),
    [
        (None, 1000, 1000),
        (b"", 1000, 1000),
        (b"*/*", 1000, 1000),
        (b"application/json", 1000, 0),
        (b"text/html", 0, 1000),
        (b"application/*", 1000, 0),
        (b"APPLICATION/JSON;Q=0.5", 500, 0),
        (b"application/json;q=0.001", 1, 0),
        (b"application/json;q=1.000", 1000, 0),
        (b"application/json;q=0", 0, 0),
        (b"application/json;q=0.", 0, 0),
        # The more specific range decides, wherever it stands (RFC 9110 section 12.5.1).
        (b"*/*, application/json;q=0.1", 100, 1000),
        (b"application/json;q=0.1, application/*;q=0.9, */*;q=0.5", 100, 500),
        (b"text/*;q=0.3, text/html;q=0.7, text/html;charset=utf-8, */*;q=0.5", 500, 1000),
        # What Firefox and curl send.
        (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 800, 1000),
        # Parameters must be the representation's; their names and these values are in any case, values may be quoted.
        (b"text/html;charset=latin-1", 0, 0),
        (b'text/html; Charset="UTF-8";q=0.4', 0, 400),
        (b'text/html;charset="ut\\f-8"', 0, 1000),
        (b"application/json;profile=x", 0, 0),
        (b"*/*;charset=utf-8", 0, 0),
        # After the weight anything is an extension.
        (b"application/json;q=0.2;q=0.9;x", 200, 0),
        # Separators in quotes separate nothing.
        (b'text/plain;a="x, application/json";q=1, text/html', 0, 1000),
        (b'text/plain;a="\\", application/json;q=1"', 0, 0),
        (b'text/plain;a="x;q=0", */*;q=0.6', 600, 600),
        # Empty elements and spaces are nothing (section 5.6.1.2).
        (b" , ,\tapplication/json ; q=0.5 ;; , ", 500, 0),
        (b"application/json;;q=0.5", 500, 0),
        # What isn't well-formed counts as not there.
        (b"application/json;q=2", 0, 0),
        (b"application/json;q=0.0001", 0, 0),
        (b'application/json;q="0.5"', 0, 0),
        (b"application/json;q", 0, 0),
        (b"application/json;=x", 0, 0),
        (b"application/json x", 0, 0),
        (b"application", 0, 0),
        (b"json, text/html", 0, 1000),
        (b'application/json;a="x', 0, 0),
        (b",", 0, 0),
        (b";", 0, 0),
        (b";application/json", 0, 0),
        (b'application/json;q=0.5;"', 500, 0),
    ],
)
def test_weights(accept: bytes | None, json: int, html: int) -> None:
    assert (media_weight(accept, JSON), media_weight(accept, HTML, UTF8)) == (json, html)
