"""Where facts about the machine are read from: one root folder, one kernel release, one environment.

Everything in this package that reads ``/proc``, ``/sys``, ``/lib/modules`` or ``/etc`` takes a ``Machine``, so that
tests feed it files saved from real kernels.
"""

from __future__ import annotations

import gzip
import os
import platform
import sys
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# The inode numbers of the first namespaces are fixed: PROC_USER_INIT_INO and PROC_PID_INIT_INO, linux/proc_ns.h.
_INITIAL_NAMESPACES = {"user": "user:[4026531837]", "pid": "pid:[4026531836]"}
CAP_NET_ADMIN = 12

# The banner that gVisor shows in place of Linux's, whatever release it claims (pkg/sentry/syscalls/linux).
_GVISOR_BANNER = "#1 SMP Sun Jan 10 15:06:54 PST 2016"
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
_CONTAINER_VARIABLES = ("container", "KUBERNETES_SERVICE_HOST")


@dataclass(frozen=True, slots=True)
class Machine:
    """The running machine, or a folder that looks like one."""

    root: Path = Path("/")
    release: str = field(default_factory=platform.release)
    platform: str = sys.platform
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def path(self, absolute: str) -> Path:
        """Return where ``absolute`` (as the real machine names it) lies."""
        return self.root / absolute.lstrip("/")

    def read_bytes(self, absolute: str) -> bytes | None:
        """Return a file's content, None where there is no such file; raise OSError as open and read do otherwise."""
        try:
            return self.path(absolute).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_text(self, absolute: str) -> str | None:
        """Return a file's content as text, None where there is no such file; raise OSError as ``read_bytes`` does."""
        content = self.read_bytes(absolute)
        return None if content is None else content.decode("utf-8", "replace")

    def banner(self) -> str:
        """Return ``/proc/version``: release, builder, compiler, build date, and the distribution's package version."""
        return (self.read_text("/proc/version") or "").strip()

    def kernel_config(self, symbol: str) -> str | None:
        """Return ``y``, ``m``, a value, or ``n`` for a symbol left out; None where there is no configuration.

        Raises OSError for one that can't be read.
        """
        text = self._kernel_config_text()
        if text is None:
            return None
        for line in text.splitlines():
            name, separator, value = line.partition("=")
            if separator and name == symbol:
                return value
        return "n"

    def _kernel_config_text(self) -> str | None:
        compressed = self.read_bytes("/proc/config.gz")
        if compressed is not None:
            try:
                return gzip.decompress(compressed).decode("utf-8", "replace")
            except (EOFError, zlib.error) as error:
                raise OSError(f"/proc/config.gz can't be unpacked: {error}") from error
        for name in ("/boot/config-{}", "/lib/modules/{}/config", "/usr/lib/modules/{}/config"):
            # Some systems keep /boot from ordinary users.
            with suppress(PermissionError):
                text = self.read_text(name.format(self.release))
                if text is not None:
                    return text
        return None

    def status_field(self, name: str) -> str | None:
        """Return one field of ``/proc/self/status`` (proc_pid_status(5)); None where it is missing."""
        for line in (self.read_text("/proc/self/status") or "").splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return value.strip()
        return None

    def has_capability(self, number: int) -> bool:
        """Whether this process holds a capability (capabilities(7)) effectively, in its own user namespace."""
        return bool(int(self.status_field("CapEff") or "0", 16) >> number & 1)

    def in_initial_namespace(self, kind: str) -> bool:
        """Whether this process lives in the machine's first ``user`` or ``pid`` namespace (namespaces(7))."""
        try:
            return str(self.path(f"/proc/self/ns/{kind}").readlink()) == _INITIAL_NAMESPACES[kind]
        except OSError:
            return False

    def under_seccomp(self) -> bool:
        """Whether a system call filter is in force (SECCOMP_MODE_FILTER in ``/proc/self/status``)."""
        return self.status_field("Seccomp") == "2"

    def is_gvisor(self) -> bool:
        """Whether the 'kernel' is gVisor, which implements system calls itself."""
        return _GVISOR_BANNER in self.banner()

    def is_container(self) -> bool:
        """Whether this looks like the inside of a container: ``/lib/modules`` then isn't the kernel's own.

        The marks alone don't tell: a virtual machine may have been made from a container image.
        """
        if self.in_initial_namespace("pid"):
            return False
        return any(self.path(mark).exists() for mark in _CONTAINER_MARKS) or any(
            self.environ.get(name) for name in _CONTAINER_VARIABLES
        )
