"""Landlock: which version of its rules the kernel enforces (Documentation/userspace-api/landlock.rst)."""

from __future__ import annotations

import ctypes
import errno
import os

# The same number on all architectures but alpha, where the call fails with ENOSYS.
SYS_LANDLOCK_CREATE_RULESET = 444
LANDLOCK_CREATE_RULESET_VERSION = 1

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (ctypes.c_long, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32)


def landlock_abi() -> int:
    """Return the ABI version, 1 or more; 0 where landlock is missing, switched off or filtered. Changes nothing."""
    version: int = _syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_CREATE_RULESET_VERSION)
    if version >= 0:
        return version
    number = ctypes.get_errno()
    if number in {errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}:
        return 0
    raise OSError(number, os.strerror(number))
