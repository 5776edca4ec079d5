from __future__ import annotations

from ktlsserve.supervisor.replacing import LONGEST_PAUSE_S, MOST_FAILED_BOOTS, SETTLED_S, Replacement


def test_the_first_is_replaced_at_once_and_the_next_more_and_more_slowly() -> None:
    replacement = Replacement()
    pauses = [replacement.note_end(0.5, 100.0, served=True) for _ in range(10)]
    assert pauses[:5] == [0.0, 0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert replacement.due_s == 100.0 + LONGEST_PAUSE_S


def test_one_that_has_lived_is_replaced_at_once() -> None:
    replacement = Replacement()
    for _ in range(5):
        replacement.note_end(0.5, 100.0, served=True)
    assert replacement.note_end(SETTLED_S, 200.0, served=True) == 0.0
    assert replacement.due_s == 200.0


def test_those_that_serve_and_die_are_replaced_for_ever() -> None:
    replacement = Replacement()
    for _ in range(100):
        replacement.note_end(0.5, 0.0, served=True)
    assert not replacement.hopeless


def test_those_that_never_serve_are_given_up() -> None:
    replacement = Replacement()
    for _ in range(MOST_FAILED_BOOTS - 1):
        replacement.note_end(0.5, 0.0, served=False)
    assert not replacement.hopeless
    replacement.note_end(0.5, 0.0, served=True)
    assert replacement.failed_boots == 0
    for _ in range(MOST_FAILED_BOOTS):
        replacement.note_end(0.5, 0.0, served=False)
    assert replacement.hopeless


def test_a_fork_that_failed_is_tried_again_later() -> None:
    replacement = Replacement()
    replacement.note_failed_fork(50.0)
    assert (replacement.due_s, replacement.hopeless) == (50.0 + LONGEST_PAUSE_S, False)
