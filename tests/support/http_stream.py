"""Replies in what a client received, for clients that pass the stream on as it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamReply:
    """One reply; ``complete`` tells whether the stream reached its announced end."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool


def request(path: str, *, method: str = "GET", close: bool = False, headers: str = "") -> bytes:
    """Write a request's head; ``headers`` are further lines, each ended by CRLF."""
    connection = "Connection: close\r\n" if close else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{connection}{headers}\r\n".encode("latin-1")


def pipeline(paths: list[str]) -> bytes:
    """Write requests for ``paths`` one after another; the last asks for the connection to be closed."""
    last = len(paths) - 1
    return b"".join(request(path, close=number == last) for number, path in enumerate(paths))


def parse_replies(stream: bytes) -> list[StreamReply]:
    """Cut a stream of replies to GET requests into them; only the last may be incomplete.

    Raises ValueError where something isn't a reply: a byte too many or too few in the one before it.
    """
    replies: list[StreamReply] = []
    position = 0
    while position < len(stream):
        end = stream.find(b"\r\n\r\n", position)
        lines = (stream[position:end] if end >= 0 else stream[position:]).decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        if version != "HTTP/1.1" or (replies and not replies[-1].complete):
            raise ValueError(f"no reply at byte {position}: {stream[position : position + 60]!r}")
        if end < 0:
            replies.append(StreamReply(int(rest[:3] or 0), {}, b"", complete=False))
            break
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers["content-length"])
        body = stream[end + 4 : end + 4 + length]
        replies.append(StreamReply(int(rest[:3]), headers, body, complete=len(body) == length))
        position = end + 4 + len(body)
    return replies
