"""sendfile in slices of some size, over TCP on loopback, to a process that drops what comes.

The file is in the page cache. What doesn't fit into the buffers at once is sent as acknowledgements come in, on
whichever processor they come in on. With the receiver on a processor of its own it is chance, then, whose time that
takes: runs differed by a factor of three. On the sender's own processor, as here, they hardly do. The receiver's time
is told beside the sender's.

Python parses four arguments for each call of ``os.sendfile``; the built-in ``max`` does so too, and stands for that.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from loadtests.bench import procfs
from loadtests.bench.peers import CHECKOUT, python_path
from loadtests.bench.place import HOST
from loadtests.syscalls.subjects import Case, Subject

_END_S = 10.0
_TIMES_LONGER = 5


@contextmanager
def sending_files(cases: list[Case]) -> Iterator[list[Subject]]:
    """Prepare a call for each case: one slice, always the first of the file. The receiver inherits the processor."""
    procfs.require_schedstat()
    most = max(case.unit_bytes for case in cases)
    with tempfile.TemporaryFile() as file, _drained_connection() as (sock, pid):
        file.write(bytes(most))
        file.flush()
        yield [_slice(case, sock.fileno(), file.fileno(), pid) for case in cases]


def _slice(case: Case, sock_fd: int, file_fd: int, pid: int) -> Subject:
    arguments = (sock_fd, file_fd, 0, case.unit_bytes)
    return Subject(
        case,
        os.sendfile,
        [arguments],
        max,
        arguments,
        expected=case.unit_bytes,
        receiver_ns=partial(procfs.cpu_time_ns, [pid]),
        times_longer=_TIMES_LONGER,
    )


@contextmanager
def _drained_connection() -> Iterator[tuple[socket.socket, int]]:
    """Yield a connection, and the process at its other end."""
    with socket.create_server((HOST, 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        receiver, _ = listener.accept()
    with sock:
        with receiver:
            process = subprocess.Popen(
                [sys.executable, "-m", "loadtests.syscalls.drain", str(receiver.fileno())],
                pass_fds=[receiver.fileno()],
                cwd=CHECKOUT,
                env={**os.environ, **python_path()},
            )
        try:
            yield sock, process.pid
        finally:
            sock.close()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
