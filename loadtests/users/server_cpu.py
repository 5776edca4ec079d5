"""The processor time that a server on this machine takes for a run."""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.bench.procfs import cpu_time_ns, exists, process_tree


class ServerCpu:
    """Measures some processes and their children, from ``begin`` to ``end``; nothing where none is named."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._before: dict[int, int] = {}
        self.cpu_s: float | None = None
        self.trouble: list[str] = []

    def begin(self) -> None:
        """Note what they have had so far."""
        self.cpu_s = None
        self.trouble = []
        self._before = self._now()

    def end(self) -> None:
        """Work out what they have had since."""
        after = self._now()
        gone = sorted(pid for pid in self._before if pid not in after)
        self.trouble = [f"process {pid} of the server has ended" for pid in gone]
        self.trouble += [f"there is no process {pid} of the server" for pid in self._pids if pid not in self._before]
        if self._pids and not self.trouble:
            self.cpu_s = sum(after.values()) / 1e9 - sum(self._before.values()) / 1e9

    def _now(self) -> dict[int, int]:
        tree = {process for pid in self._pids for process in process_tree(pid)}
        return {pid: cpu_time_ns([pid]) for pid in tree if exists(pid)}
