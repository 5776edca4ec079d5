from __future__ import annotations

import itertools
import re
import socket

import pytest

from ktlsserve.errors import IllegalTransition
from ktlsserve.http1.reply import Reply
from ktlsserve.http1.request import HeadLimits, Request
from ktlsserve.worker import states
from ktlsserve.worker.connection import Connection, Front
from ktlsserve.worker.memo import Memo
from ktlsserve.worker.residency import Residency
from ktlsserve.worker.states import TRANSITIONS, State

# Those in which replies are made and sent.
READY = {State.HEAD, State.IDLE, State.SENDING, State.READING, State.BODY}
NO_MEMO = Memo(None, HeadLimits(), 0, Residency())  # type: ignore[arg-type]


def no_answer(request: Request, now_s: int) -> Reply:
    raise AssertionError("nobody asks")


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(State)


def test_everything_ends_in_closed_and_nothing_leaves_it() -> None:
    assert all(State.CLOSED in following for state, following in TRANSITIONS.items() if state is not State.CLOSED)
    assert TRANSITIONS[State.CLOSED] == frozenset()


@pytest.mark.parametrize("first", [State.PROXY_HEADER, State.HANDSHAKE, State.HEAD])
def test_every_later_state_is_reached(first: State) -> None:
    reached, new = set(), {first}
    while new:
        reached |= new
        new = {following for state in new for following in TRANSITIONS[state]} - reached
    assert reached >= set(State) - {State.PROXY_HEADER, State.HANDSHAKE}


def test_there_is_no_way_back_to_a_handshake() -> None:
    assert [state for state in State if State.HANDSHAKE in TRANSITIONS[state]] == [State.PROXY_HEADER]
    assert not any(State.PROXY_HEADER in following for following in TRANSITIONS.values())


def test_who_has_begun_to_close_sends_no_reply() -> None:
    for state in (State.FLUSHING, State.LINGERING, State.CLOSED):
        assert not TRANSITIONS[state] & READY
    assert TRANSITIONS[State.LINGERING] == {State.CLOSED}


def test_without_keys_nothing_is_sent_or_flushed() -> None:
    """A handshake leads to the first request or to an end in which no reply is sent."""
    assert TRANSITIONS[State.HANDSHAKE] == {State.HEAD, State.LINGERING, State.CLOSED}
    assert TRANSITIONS[State.PROXY_HEADER] == {State.HANDSHAKE, State.HEAD, State.CLOSED}


def test_the_diagram_names_every_state() -> None:
    drawn = set(re.findall(r"\b[A-Z_]{4,}\b", states.__doc__ or ""))
    assert {state.name for state in State} <= drawn


@pytest.mark.parametrize(("old", "new"), list(itertools.product(State, State)))
def test_a_connection_moves_as_the_table_says(old: State, new: State) -> None:
    with socket.socket() as sock:
        conn = Connection(sock, "192.0.2.1:1", old, 0.0, Front(no_answer, NO_MEMO))
        if new in TRANSITIONS[old]:
            conn.move(new)
            assert conn.state is new
        else:
            with pytest.raises(IllegalTransition, match=f"{old.name} does not lead to {new.name}"):
                conn.move(new)
            assert conn.state is old
