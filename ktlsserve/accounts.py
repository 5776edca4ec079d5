"""Users and groups by name or number, as the machine's databases have them (passwd(5), group(5), NSS)."""

from __future__ import annotations

import grp
import os
import pwd

from ktlsserve.errors import StartupError
from ktlsserve.worker.identity import Identity

# (uid_t)-1 means "leave it as it is" to the kernel.
_NO_ID = 2**32 - 1


def look_up(user: str, group: str) -> Identity:
    """Return whom ``server.user`` and ``server.group`` name, with the user's groups; the latter may be empty.

    Raises StartupError for who doesn't exist.
    """
    gid = _group(group) if group else None
    try:
        entry = pwd.getpwuid(_number(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        if not user.isdecimal():
            raise StartupError(f"there is no user {user!r}; create it, or set server.user to another") from None
        # In a container that knows no users, such as one that was given a number.
        if gid is None:
            raise StartupError(f"user {user} isn't known here: set server.group too") from None
        return Identity(user, _number(user), gid, (gid,))
    gid = entry.pw_gid if gid is None else gid
    return Identity(user, entry.pw_uid, gid, tuple(os.getgrouplist(entry.pw_name, gid)))


def _group(group: str) -> int:
    if group.isdecimal():
        return _number(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise StartupError(f"there is no group {group!r}; create it, or set server.group to another") from None


def _number(text: str) -> int:
    number = int(text)
    if number >= _NO_ID:
        raise StartupError(f"{text} is no user or group: their numbers are below {_NO_ID}")
    return number
