"""The life of a worker: it serves, and some day it leaves, in one of three ways.

::

    SERVING ──► RETIRING ──► RETIRED ──┐      a successor serves: after a reload or an upgrade
       │                               │
       ├──────► STOPPING ──► CLOSING ──┤      nobody will, and a load balancer is to notice first
       │                               ▼
       └───────────────────────────► ENDING   at once, and within a time limit

From the first move on every reply is the last on its connection and says so. A connection that is kept and idle may
still ask once in RETIRING and STOPPING: its client was told that it stays, and a request may be on its way at any
moment; who closes just then loses it. In STOPPING and CLOSING new connections are still taken: whoever the load
balancer sends before it notices is served.

This holds the times too, as monotonic seconds; the loop passes them in and does what the stage demands.
"""

from __future__ import annotations

import math
from enum import Enum, auto

# How long an idle connection may still ask after a successor has taken over. Clients under load send their next request
# within milliseconds; one that has paused for a second loses it no more likely than by any other timeout.
IDLE_GRACE_S = 1.0


class Stage(Enum):
    """Where a worker is in its life."""

    SERVING = auto()
    RETIRING = auto()
    RETIRED = auto()
    STOPPING = auto()
    CLOSING = auto()
    ENDING = auto()


TRANSITIONS: dict[Stage, frozenset[Stage]] = {
    Stage.SERVING: frozenset({Stage.RETIRING, Stage.STOPPING, Stage.ENDING}),
    Stage.RETIRING: frozenset({Stage.RETIRED, Stage.ENDING}),
    Stage.RETIRED: frozenset({Stage.ENDING}),
    Stage.STOPPING: frozenset({Stage.CLOSING, Stage.ENDING}),
    Stage.CLOSING: frozenset({Stage.ENDING}),
    Stage.ENDING: frozenset(),
}
_ACCEPTING = frozenset({Stage.SERVING, Stage.STOPPING, Stage.CLOSING})
_READY = frozenset({Stage.SERVING, Stage.RETIRING, Stage.RETIRED})
_KEEPS_IDLE = frozenset({Stage.SERVING, Stage.RETIRING, Stage.STOPPING})
_AFTERWARDS = {Stage.RETIRING: Stage.RETIRED, Stage.STOPPING: Stage.CLOSING}


class Departure:
    """A worker's stage, and when the next one is due.

    ``drain_s`` is how long it may take to leave, of which ``pause_s`` are spent in STOPPING. ``due_s`` is the soonest
    moment at which ``advance`` has something to do, ``abort_s`` the one at which connections that are left are aborted.
    """

    __slots__ = ("_drain_s", "_next_stage_s", "_pause_s", "abort_s", "due_s", "stage")

    def __init__(self, drain_s: float, pause_s: float) -> None:
        self.stage = Stage.SERVING
        self.abort_s = self.due_s = self._next_stage_s = math.inf
        self._drain_s = drain_s
        self._pause_s = pause_s

    @property
    def accepting(self) -> bool:
        """Whether new connections are taken."""
        return self.stage in _ACCEPTING

    @property
    def ready(self) -> bool:
        """Whether a load balancer should go on sending requests to this server."""
        return self.stage in _READY

    @property
    def keeps_idle(self) -> bool:
        """Whether a connection may wait for another request."""
        return self.stage in _KEEPS_IDLE

    def retire(self, now_s: float) -> None:
        """A successor serves: finish, without a time limit."""
        if self._move(Stage.RETIRING):
            self._next_stage_s = self.due_s = now_s + IDLE_GRACE_S

    def stop(self, now_s: float) -> None:
        """Nobody will serve any more: let a load balancer notice, then finish."""
        if self._move(Stage.STOPPING):
            self._next_stage_s = now_s + self._pause_s
            self.abort_s = now_s + self._drain_s
            self.due_s = min(self._next_stage_s, self.abort_s)

    def end(self, now_s: float) -> None:
        """Finish what is under way, and nothing else, within the time limit."""
        if self._move(Stage.ENDING):
            self._next_stage_s = math.inf
            self.due_s = self.abort_s = min(self.abort_s, now_s + self._drain_s)

    def advance(self, now_s: float) -> None:
        """Go to the next stage if it is time; at the end of all time to ENDING, and nothing is due any more."""
        if now_s >= self.abort_s:
            self._move(Stage.ENDING)
            self._next_stage_s = self.due_s = math.inf
        elif now_s >= self._next_stage_s:
            self._move(_AFTERWARDS[self.stage])
            self._next_stage_s, self.due_s = math.inf, self.abort_s

    def _move(self, stage: Stage) -> bool:
        """Go to ``stage`` unless the worker is past it: a later word of the supervisor's never takes a step back."""
        if stage not in TRANSITIONS[self.stage]:
            return False
        self.stage = stage
        return True
