"""Whether an answer is the right one, and in which words it isn't."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# What libcurl calls them (CURL_HTTP_VERSION_*), and what people do.
PROTOCOLS = {1: "HTTP/1.0", 2: "HTTP/1.1", 3: "HTTP/2", 30: "HTTP/3"}


@dataclass(frozen=True, slots=True)
class Expected:
    """The right answer; an empty ``sha256`` or ``content_range`` isn't asked for."""

    protocol: str
    status: int
    length_bytes: int
    sha256: str = ""
    content_range: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came; ``sha256`` is empty where nobody hashed the bytes."""

    protocol: str
    status: int
    length_bytes: int
    sha256: str = ""
    content_range: str = ""


def fault(expected: Expected, answer: Answer) -> str:
    """Say what is wrong with an answer, empty where nothing is: the first thing that explains the others."""
    if answer.protocol != expected.protocol:
        return f"the answer came over {answer.protocol}, not over {expected.protocol}"
    if answer.status != expected.status:
        hint = " (the entity-tag was another one)" if (expected.status, answer.status) == (304, 200) else ""
        return f"status {answer.status}, not {expected.status}{hint}"
    if answer.content_range != expected.content_range:
        got = answer.content_range or "missing"
        return f"the Content-Range is {got}, not {expected.content_range}"
    if answer.length_bytes != expected.length_bytes:
        return f"{answer.length_bytes} bytes, not {expected.length_bytes}"
    if expected.sha256 and answer.sha256 != expected.sha256:
        return f"wrong bytes: their SHA-256 is {answer.sha256[:12]}..., not {expected.sha256[:12]}..."
    return ""


def header(lines: Sequence[bytes], name: str) -> str:
    """Return the value of a header field of an answer's head, as it came line by line; empty where it has none."""
    wanted = name.lower().encode()
    for line in lines:
        field, colon, value = line.partition(b":")
        if colon and field.strip().lower() == wanted:
            return value.strip().decode("latin-1")
    return ""
