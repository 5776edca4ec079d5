"""Finding workers that hang, by asking them a byte now and then.

An answer costs an idle worker a turn of its loop every few seconds, and a busy one nothing that can be measured:
nothing is written or counted per turn. A worker is taken for hung after so many looks in a row, not after so much time:
a process group that was stopped (Ctrl-Z) or a suspended machine makes no worker look hung when time goes on.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable

from ktlsserve.supervisor.generation import STACK_SIGNAL, WorkerProcess

logger = logging.getLogger(__name__)

LOOKS = 4
# For its stack to be written.
KILL_DELAY_S = 0.5


class Heartbeat:
    """Looks after workers every ``hang_s / LOOKS`` seconds; never where ``hang_s`` is 0. ``due_s`` is the next look."""

    def __init__(self) -> None:
        self.due_s = 0.0

    def look(self, workers: Iterable[WorkerProcess], hang_s: float, now_s: float) -> None:
        """Ask each worker, if it is time; mark those that hang to be killed (``kill_s``), and have them tell where."""
        if now_s < self.due_s:
            return
        self.due_s = now_s + hang_s / LOOKS if hang_s else math.inf
        if not hang_s:
            return
        for worker in workers:
            if worker.control is None or worker.kill_s is not None:
                continue
            if worker.unanswered == 0:
                worker.ping()
            worker.unanswered += 1
            if worker.unanswered > LOOKS:
                logger.error(
                    "worker %d hasn't answered for %g s and is killed; if it can, it says where it hangs",
                    worker.pid,
                    hang_s,
                )
                os.kill(worker.pid, STACK_SIGNAL)
                worker.kill_s = now_s + KILL_DELAY_S
