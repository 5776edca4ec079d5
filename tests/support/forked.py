"""A function run in a forked child, for what a process can do to itself only once, or not undo."""

from __future__ import annotations

import errno
import os
import pickle
import traceback
from collections.abc import Callable
from typing import TypeVar, cast

T = TypeVar("T")

OK = "ok"


def in_child(function: Callable[[], T]) -> T:
    """Return what ``function`` returns in a child process; an exception there fails the test with its traceback."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            try:
                answer = pickle.dumps((True, function()))
            except BaseException:  # noqa: BLE001 - told to the parent, whose test fails
                answer = pickle.dumps((False, traceback.format_exc()))
            with os.fdopen(writer, "wb") as out:
                out.write(answer)
        finally:
            # Never back into the parent's stack.
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        text = said.read()
    os.waitpid(pid, 0)
    assert text, "the child has said nothing"
    succeeded, value = pickle.loads(text)
    assert succeeded, f"in the child:\n{value}"
    return cast("T", value)


def attempt(action: Callable[[], object]) -> str:
    """Return ``ok``, or the name of the errno with which ``action`` failed."""
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return OK
