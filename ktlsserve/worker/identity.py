"""Whom a process serves as: a user, a group and further groups, which it becomes for good."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ktlsserve.errors import StartupError
from ktlsserve.kernel.privileges import limit_capabilities


@dataclass(frozen=True, slots=True)
class Identity:
    """User and group ids; ``name`` is how the configuration calls the user. ``groups`` are the supplementary ones."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    @property
    def is_ours(self) -> bool:
        """Whether this process has it already, for good."""
        return os.getresuid() == (self.uid,) * 3 and os.getresgid() == (self.gid,) * 3

    def become(self) -> None:
        """Take it on, with no way back; raise StartupError.

        The groups come first: without its user a process may not change them.
        """
        if self.is_ours:
            return
        try:
            os.setgroups(self.groups)
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
            if self.uid:
                # The kernel takes them from who was root, and from nobody else.
                limit_capabilities(0)
        except OSError as error:
            raise StartupError(f"server.user: can't become {self.name}: {error.strerror}") from error
        self._require_no_way_back()

    def _require_no_way_back(self) -> None:
        """Raise StartupError if root's rights could be had again: what was meant to be given up has to be gone."""
        if not self.is_ours or set(os.getgroups()) != set(self.groups):
            raise StartupError(f"server.user: this process did not become {self.name}")
        if self.uid == 0:
            return
        try:
            os.setresuid(-1, 0, -1)
        except PermissionError:
            return
        raise StartupError(f"server.user: this process could become root again after it became {self.name}")
