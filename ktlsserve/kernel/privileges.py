"""What a process gives up of its own privileges besides its user: capabilities, new privileges, being looked into.

Sources: capabilities(7), capset(2), prctl(2).
"""

from __future__ import annotations

import ctypes
import os
import resource

CAP_DAC_READ_SEARCH = 2
CAP_SETGID = 6
CAP_SETUID = 7
CAP_SYS_PTRACE = 19

PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38

# Two words of 32 capabilities each; the kernel has had 41 since Linux 5.9.
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
_WORD_BITS = 32


class _Header(ctypes.Structure):
    """``struct __user_cap_header_struct``; process 0 is this thread."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    """``struct __user_cap_data_struct``."""

    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
_libc.capset.argtypes = (ctypes.POINTER(_Header), ctypes.POINTER(_Data))


def limit_capabilities(kept: int) -> None:
    """Give up all capabilities but those in the mask ``kept``, of which this thread must have all; raise OSError."""
    sets = (_Data * 2)()
    for place in range(2):
        word = kept >> (_WORD_BITS * place) & 0xFFFFFFFF
        sets[place].effective = sets[place].permitted = word
    # Ambient ones can't be more than the inheritable ones, and go with them.
    if _libc.capset(ctypes.byref(_Header(version=_LINUX_CAPABILITY_VERSION_3, pid=0)), sets) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"capset: {os.strerror(code)}")


def forbid_new_privileges() -> None:
    """Have no program that this process starts get more than it has (set-user-ID, file capabilities); raise OSError."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def forbid_looking_in() -> None:
    """Keep this process's memory from others of its user (ptrace, /proc/PID/mem), and from a core file; raise OSError.

    Root may go on looking, by CAP_SYS_PTRACE. A program that is started from here can be looked into again.
    """
    _soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    _prctl(PR_SET_DUMPABLE, 0)


def is_dumpable() -> bool:
    """Whether others of its user may look into this process."""
    return bool(_prctl(PR_GET_DUMPABLE, 0))


def _prctl(option: int, value: int) -> int:
    result: int = _libc.prctl(option, value, 0, 0, 0)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl: {os.strerror(code)}")
    return result
