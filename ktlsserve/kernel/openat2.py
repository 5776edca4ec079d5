"""``openat2(2)``: an open that the kernel itself confines to a folder (Linux 5.6 and later).

Python has no wrapper, nor has glibc before 2.43, hence ``syscall(2)`` through ctypes. The system call came after the
numbers were unified: 437 on x86-64, arm64, riscv64, ppc64, s390x and all others but alpha (547) and MIPS (offset by
its ABI), where the call below fails with ENOSYS and ``supported()`` is False.

Sources: ``openat2(2)``, ``include/uapi/linux/openat2.h``.
"""

from __future__ import annotations

import ctypes
import errno
import os

SYS_OPENAT2 = 437

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
RESOLVE_CACHED = 0x20

# What a kernel (or the seccomp filter of a container) says that has no such call, or not with these flags.
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.E2BIG})


class OpenHow(ctypes.Structure):
    """``struct open_how``, of which the kernel only reads: one instance serves any number of calls and threads."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_OPEN_HOW_BYTES = ctypes.sizeof(OpenHow)

# A CDLL call gives up the GIL: the look-up may wait for a disk.
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(OpenHow), ctypes.c_size_t)


def openat2(dir_fd: int, path: bytes, how: OpenHow) -> int:
    """Open ``path`` from the folder ``dir_fd`` under the rules of ``how``; return the new descriptor.

    ``how`` is kept by the caller between calls. Interrupted calls are repeated, like those of ``os`` (PEP 475).
    Raises OSError with the kernel's errno: EXDEV for a path that leaves the folder under RESOLVE_BENEATH, EAGAIN for
    one that a rename made uncertain, ELOOP for a forbidden link; and ValueError for a NUL, at which C would cut the
    path short.
    """
    if b"\0" in path:
        raise ValueError("embedded null byte")
    while True:
        fd: int = _syscall(SYS_OPENAT2, dir_fd, path, how, _OPEN_HOW_BYTES)
        if fd >= 0:
            return fd
        error = ctypes.get_errno()
        if error != errno.EINTR:
            raise OSError(error, os.strerror(error), path)


def supported() -> bool:
    """Say whether this process may call ``openat2`` with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS.

    Probed with a descriptor that can't exist: a kernel that knows the call checks structure and flags first and then
    says EBADF, so nothing is opened. One that doesn't says ENOSYS; a seccomp filter older than the call, EPERM.
    """
    how = OpenHow(flags=os.O_PATH | os.O_CLOEXEC, resolve=RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
    try:
        os.close(openat2(-1, b".", how))
    except OSError as error:
        return error.errno not in _UNSUPPORTED
    return True
