"""Whether the server lives, and whether it wants requests: for probes, in a status and a word.

A server that stops says 404, not 503: HAProxy (``http-check disable-on-404``) then sends nothing new and lets what is
under way finish.
"""

from __future__ import annotations

from ktlsserve.admin.snapshot import Snapshot
from ktlsserve.observe.server_state import Stage

Verdict = tuple[int, bytes]


def health(snapshot: Snapshot) -> Verdict:
    """Tell whether the server should be left alone: 200, or 503 where a restart may help."""
    if not snapshot.supervised:
        return 503, b"the supervisor hasn't been heard of lately\n"
    if not snapshot.working:
        return 503, b"no worker is at work\n"
    return 200, b"ok\n"


def readiness(snapshot: Snapshot) -> Verdict:
    """Tell whether requests should be sent here: 200, 503 where not yet or not now, 404 where no more."""
    if snapshot.stage is Stage.STOPPING:
        return 404, b"stopping\n"
    if snapshot.stage is Stage.STARTING:
        return 503, b"starting\n"
    if not snapshot.supervised or not snapshot.serving:
        return 503, b"no worker serves\n"
    return 200, b"ready\n"
