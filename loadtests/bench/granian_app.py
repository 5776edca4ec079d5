"""What granian serves beside its static files, which its own Rust code answers: nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping


async def app(
    scope: Mapping[str, object], receive: Callable[[], Awaitable[object]], send: Callable[[object], Awaitable[None]]
) -> None:
    """Answer 404 to every request."""
    del receive
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})
