"""Landlock: a process gives up rights for itself, for good (Documentation/userspace-api/landlock.rst, landlock(7)).

What a ruleset *handles* is refused unless a rule allows it; what it doesn't handle stays as it was. Each version of the
interface (ABI) has more that can be handled, and a kernel refuses a ruleset that handles what it doesn't know: so as
much is handled as its version has. Rules name a folder by a descriptor, and hold for everything beneath it, what is
mounted there included. Open descriptors keep what they can do. ``stat``, ``chdir`` and inotify watches aren't handled
by any version.

``landlock_restrict_self`` confines the calling thread, and what that thread starts later.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterable

# The same numbers on all architectures but alpha, where the calls fail with ENOSYS.
SYS_LANDLOCK_CREATE_RULESET = 444
SYS_LANDLOCK_ADD_RULE = 445
SYS_LANDLOCK_RESTRICT_SELF = 446

LANDLOCK_CREATE_RULESET_VERSION = 1
LANDLOCK_RULE_PATH_BENEATH = 1

LANDLOCK_ACCESS_FS_READ_FILE = 1 << 2
LANDLOCK_ACCESS_FS_READ_DIR = 1 << 3

# Access to files is a mask without gaps: how many of its bits the versions know. The second version added REFER, the
# third TRUNCATE, the fifth IOCTL_DEV, the ninth RESOLVE_UNIX (which denies the sockets that other processes serve).
_FS_BITS = ((1, 13), (2, 14), (3, 15), (5, 16), (9, 17))
LANDLOCK_ACCESS_NET_BIND_TCP = 1 << 0
LANDLOCK_ACCESS_NET_CONNECT_TCP = 1 << 1
LANDLOCK_ACCESS_NET_BIND_UDP = 1 << 2
LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP = 1 << 3
LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0
LANDLOCK_SCOPE_SIGNAL = 1 << 1

# The first versions that confine more than files: Linux 6.7, 6.12 and 7.2.
TCP_ABI = 4
SCOPE_ABI = 6
UDP_ABI = 10

_TCP = LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP
_UDP = LANDLOCK_ACCESS_NET_BIND_UDP | LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP
_SCOPES = LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL
_READING = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR


class _RulesetAttr(ctypes.Structure):
    """``struct landlock_ruleset_attr``; older kernels take a longer one whose end is zero."""

    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneathAttr(ctypes.Structure):
    """``struct landlock_path_beneath_attr``."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
# Variadic: without their types, integers would be passed as C ints, and pointers cut off.
_Unsigned = ctypes.c_ulong


def landlock_abi() -> int:
    """Return the ABI version, 1 or more; 0 where landlock is missing, switched off or filtered. Changes nothing."""
    try:
        return _call(SYS_LANDLOCK_CREATE_RULESET, None, _Unsigned(0), _Unsigned(LANDLOCK_CREATE_RULESET_VERSION))
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}:
            return 0
        raise


def confined_by(abi: int) -> tuple[str, ...]:
    """Return what a ruleset of that version confines, in words."""
    words = {"files": 1, "TCP": TCP_ABI, "UDP": UDP_ABI, "signals": SCOPE_ABI}
    return tuple(word for word, since in words.items() if abi >= since)


def restrict_to_reading(fds: Iterable[int], abi: int) -> None:
    """Leave this thread nothing but to read what lies in the files and beneath the folders that are open as ``fds``.

    Nothing can be executed or written, no TCP port bound or connected to (from ABI 4 on), no abstract Unix socket
    connected to and no process outside signalled (6), no UDP port bound or sent to (10). ``abi`` is what
    ``landlock_abi`` returns. The process must have forbidden itself new privileges (PR_SET_NO_NEW_PRIVS). Raises
    OSError, and then nothing is confined.
    """
    handled = _RulesetAttr(
        handled_access_fs=(1 << max(bits for version, bits in _FS_BITS if version <= abi)) - 1,
        handled_access_net=(_TCP if abi >= TCP_ABI else 0) | (_UDP if abi >= UDP_ABI else 0),
        scoped=_SCOPES if abi >= SCOPE_ABI else 0,
    )
    size = _Unsigned(ctypes.sizeof(handled))
    ruleset_fd = _call(SYS_LANDLOCK_CREATE_RULESET, ctypes.byref(handled), size, _Unsigned(0))
    try:
        for fd in fds:
            # Rights of folders aren't taken for a file (EINVAL).
            allowed = _READING if _is_folder(fd) else LANDLOCK_ACCESS_FS_READ_FILE
            rule = ctypes.byref(_PathBeneathAttr(allowed_access=allowed, parent_fd=fd))
            _call(SYS_LANDLOCK_ADD_RULE, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, rule, _Unsigned(0))
        _call(SYS_LANDLOCK_RESTRICT_SELF, ruleset_fd, _Unsigned(0))
    finally:
        os.close(ruleset_fd)


def _is_folder(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)


def _call(number: int, *arguments: object) -> int:
    result: int = _syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
