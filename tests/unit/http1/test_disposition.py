from __future__ import annotations

import pytest

from ktlsserve.http1.disposition import attachment


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (b"a.zip", b'attachment; filename="a.zip"'),
        (b"docs/my file (1).pdf", b'attachment; filename="my file (1).pdf"'),
        (b'say "hi".txt', b"attachment; filename=\"say _hi_.txt\"; filename*=UTF-8''say%20%22hi%22.txt"),
        (b"50%.txt", b"attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"),
        (b"back\\slash", b"attachment; filename=\"back_slash\"; filename*=UTF-8''back%5Cslash"),
        ("grüße.txt".encode(), b"attachment; filename=\"gr__e.txt\"; filename*=UTF-8''gr%C3%BC%C3%9Fe.txt"),
        (b"latin-\xe9.txt", b"attachment; filename=\"latin-_.txt\"; filename*=UTF-8''latin-%EF%BF%BD.txt"),
        (b"a\r\nb", b"attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
    ],
)
def test_the_name_is_the_last_segment(path: bytes, value: bytes) -> None:
    assert attachment(path) == value
