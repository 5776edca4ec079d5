"""Machines with addresses of their own on one cable, as network namespaces: programs run there as they are configured.

Nothing outside is reached or can be: each machine has a loopback and one interface on a bridge. Namespaces last as long
as the processes in them; the one that holds each open ends with the block.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.privileges import do_without, require_root
from tests.support.programs import find_program
from tests.support.waiting import LIMIT_S, wait_until

_BRIDGE = "bridge"


class MachinesApart:
    """Machines by name, with their addresses in one network (``192.0.2.11/24``)."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses
        self._holders: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()
        self._ip = find_program("ip")

    def __enter__(self) -> Self:
        require_root("makes network namespaces")
        with ExitStack() as stack:
            for name in (_BRIDGE, *self._addresses):
                self._holders[name] = stack.enter_context(_Holder()).process
            self._configure(_BRIDGE, "link add cable type bridge", "link set cable up")
            for number, (name, address) in enumerate(self._addresses.items()):
                there = self._holders[name].pid
                self._configure(_BRIDGE, f"link add port{number} type veth peer name cable netns {there}")
                self._configure(_BRIDGE, f"link set port{number} master cable up")
                self._configure(name, "link set lo up", f"addr add {address} dev cable", "link set cable up")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def command(self, name: str, *words: str) -> list[str]:
        """Return the command that runs another one on a machine; it becomes that process."""
        return ["nsenter", f"--net=/proc/{self._holders[name].pid}/ns/net", *words]

    def run(self, name: str, *words: str) -> str:
        """Run a command on a machine to its end, and return what it printed; fail if it failed."""
        done = subprocess.run(
            self.command(name, *words),
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _configure(self, name: str, *commands: str) -> None:
        for command in commands:
            self.run(name, self._ip, *command.split())


class _Holder:
    """A process that does nothing in a network namespace of its own."""

    def __enter__(self) -> Self:
        # cat ends when nobody holds its input any more, however this process ends.
        self.process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo there; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            self.__exit__(None, None, None)
            do_without("this machine's root may not make network namespaces (unshare --net)")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(LIMIT_S)
        self.process.stdout.close()


class Running:
    """A program in the background, its output in a file; ended with the block by SIGTERM."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def wait_for(self, text: str) -> None:
        """Wait until it has printed ``text``; fail if it has ended instead."""
        wait_until(lambda: text in self.printed() or self.process.poll() is not None, text)
        assert text in self.printed(), self.printed()

    def printed(self) -> str:
        """Return what it has printed so far."""
        return self._log.read_text(encoding="utf-8")
