"""A whole connection: any split of what a client sends gets the same bytes back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.corpus import load_cases, parse_responses
from tests.support.http_conversation import Conversation, converse
from tests.support.memory_site import MemoryFiles, memory_site, read_memory_slice
from tests.support.site_tree import NOW_S

SENT = sorted({case.send for case in load_cases() if case.needs is None and len(case.send) < 2000})
GARBAGE = st.binary(max_size=30) | st.sampled_from([b"\r\n", b"0\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"\n\n", b"\r"])
STREAMS = st.lists(st.sampled_from(SENT) | GARBAGE, min_size=1, max_size=4).map(b"".join)


def talk(pieces: list[bytes]) -> tuple[bytes, bool]:
    files = MemoryFiles()
    conversation = Conversation(memory_site(files=files), NOW_S, read_slice=read_memory_slice)
    sent = converse(conversation, pieces)
    assert files.uses() == 0
    return sent, conversation.closed


@settings(max_examples=150)
@given(STREAMS, st.lists(st.integers(0, 3000), max_size=12))
def test_any_split_gets_the_same_bytes(stream: bytes, cuts: list[int]) -> None:
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)})
    pieces = [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    whole = talk([stream])
    assert talk(pieces) == whole
    assert talk([bytes([octet]) for octet in stream]) == whole


@given(STREAMS)
def test_every_response_says_whether_the_connection_goes_on(stream: bytes) -> None:
    sent, closed = talk([stream])
    # HEAD can't be told from GET here, so a stream with one in it isn't read as responses.
    if b"HEAD" in stream:
        return
    responses, rest = parse_responses(sent, [])
    assert rest == b""
    said = [response.values(b"connection") == [b"close"] for response in responses]
    assert not any(said[:-1])
    assert not any(said) or closed
