"""Starts the program by forking a process that has imported it: ``python -m tests.support.fork_server FD``.

Under emulation importing takes ten seconds, and the tests of a kernel start some sixty servers. What is forked here
runs ``ktlsserve.cli.main`` with streams, environment and arguments of its own, as ``python -m ktlsserve`` would; that
this command works too is shown by tests/process.

The two sides share a socket that keeps the bounds of messages. A request is a JSON object, with standard output and
standard error as descriptors beside it; the answer is the new process's id. When a process ends, its exit status
follows unasked.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import ktlsserve.supervisor.run
import ktlsserve.worker.loop  # noqa: F401 - what each server would import
from ktlsserve.cli import main
from ktlsserve.errors import EXIT_BUG
from tests.support import mutant_server

_MOST_BYTES = 1 << 17


def _serve(channel: socket.socket) -> None:
    """Fork a process for each request, and tell of those that have ended, until the other side closes."""
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([channel.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, _MOST_BYTES)
            _tell_of_ended(channel)
        if channel.fileno() in ready:
            data, fds, _flags, _address = socket.recv_fds(channel, _MOST_BYTES, 2)
            if not data:
                return
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for fd in (woken, waker):
                    os.close(fd)
                channel.close()
                _become(json.loads(data), fds)
            for fd in fds:
                os.close(fd)
            channel.send(json.dumps({"started": pid}).encode())


def _tell_of_ended(channel: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        channel.send(json.dumps({"ended": pid, "status": os.waitstatus_to_exitcode(status)}).encode())


def _become(request: dict[str, Any], fds: Sequence[int]) -> NoReturn:
    """Be the program that was asked for, from its first line to its exit status."""
    status = EXIT_BUG
    try:
        for number, fd in enumerate(fds, start=1):
            os.dup2(fd, number)
            os.close(fd)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        _option, module, *arguments = request["program"]
        if module == mutant_server.__name__:
            mutant_server.MUTANTS[arguments.pop(0)]()
        else:
            assert module == "ktlsserve", module
        sys.argv = [module, *arguments]
        status = main()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _channel:
        os.set_inheritable(_channel.fileno(), False)
        _serve(_channel)
