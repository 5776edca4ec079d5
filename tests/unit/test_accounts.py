from __future__ import annotations

import grp
import os
import pwd

import pytest

from ktlsserve.accounts import look_up
from ktlsserve.errors import StartupError
from ktlsserve.worker.identity import Identity

DAEMON = pwd.getpwnam("daemon")
WWW = grp.getgrnam("www-data")
UNKNOWN = "4000000000"


def test_a_user_by_name_comes_with_its_groups() -> None:
    groups = tuple(os.getgrouplist("daemon", DAEMON.pw_gid))
    assert look_up("daemon", "") == Identity("daemon", DAEMON.pw_uid, DAEMON.pw_gid, groups)


def test_so_does_one_by_number() -> None:
    number = str(DAEMON.pw_uid)
    groups = tuple(os.getgrouplist("daemon", DAEMON.pw_gid))
    assert look_up(number, "") == Identity(number, DAEMON.pw_uid, DAEMON.pw_gid, groups)


@pytest.mark.parametrize("group", ["www-data", str(WWW.gr_gid)])
def test_the_group_can_be_another(group: str) -> None:
    found = look_up("daemon", group)
    assert (found.uid, found.gid) == (DAEMON.pw_uid, WWW.gr_gid)
    assert WWW.gr_gid in found.groups


def test_a_number_that_nobody_has_needs_a_group() -> None:
    assert look_up(UNKNOWN, "5000") == Identity(UNKNOWN, int(UNKNOWN), 5000, (5000,))
    with pytest.raises(StartupError, match=r"user 4000000000 isn't known here: set server\.group too"):
        look_up(UNKNOWN, "")


@pytest.mark.parametrize(
    ("user", "group", "message"),
    [
        ("no-such-user", "", "there is no user 'no-such-user'"),
        ("daemon", "no-such-group", "there is no group 'no-such-group'"),
        (str(2**32 - 1), "1", "4294967295 is no user or group"),
        ("daemon", str(2**32), "4294967296 is no user or group"),
    ],
)
def test_who_doesnt_exist_is_no_start(user: str, group: str, message: str) -> None:
    with pytest.raises(StartupError, match=message):
        look_up(user, group)
