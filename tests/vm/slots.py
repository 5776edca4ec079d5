"""As many guests at a time as there are processors, over all runs on this machine; others wait for their turn.

Emulation takes a whole processor for each guest. With more guests than that all of them become slow, and limits on time
that are generous otherwise make tests fail which nothing is wrong with.
"""

import fcntl
import os
from pathlib import Path
from typing import BinaryIO


def free_slot(cache: Path) -> BinaryIO | None:
    """Take a slot, or return None while all are taken.

    The slot is a lock on the returned file, to be handed to the guest's processes: it is free again once the last of
    those that have the file open has ended, whatever happens to the process that booted them.
    """
    folder = cache / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(len(os.sched_getaffinity(0))):
        slot = (folder / str(number)).open("wb")
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            slot.close()
        else:
            return slot
    return None
