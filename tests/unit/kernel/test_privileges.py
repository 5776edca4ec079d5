from __future__ import annotations

import ctypes
import os
import resource
import socket
from pathlib import Path

import pytest

from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.privileges import (
    CAP_DAC_READ_SEARCH,
    CAP_SETUID,
    forbid_looking_in,
    forbid_new_privileges,
    is_dumpable,
    limit_capabilities,
)
from tests.support.forked import OK, attempt, in_child

NOBODY = 65534
CAP_NET_BIND_SERVICE = 10

needs_root = pytest.mark.skipif(not Machine().has_capability(CAP_SETUID), reason="this process has no CAP_SETUID")


def status(name: str) -> str | None:
    return Machine().status_field(name)


def capabilities() -> dict[str, int]:
    return {name: int(status(f"Cap{name}") or "", 16) for name in ("Eff", "Prm", "Inh", "Amb")}


def test_all_capabilities_can_be_given_up() -> None:
    def child() -> dict[str, int]:
        limit_capabilities(0)
        return capabilities()

    assert in_child(child) == {"Eff": 0, "Prm": 0, "Inh": 0, "Amb": 0}


@needs_root
def test_or_all_but_one(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    os.chown(secret, NOBODY, NOBODY)

    def child() -> tuple[dict[str, int], str, str]:
        limit_capabilities(1 << CAP_DAC_READ_SEARCH)
        read = attempt(secret.read_bytes)
        return capabilities(), read, attempt(lambda: secret.write_bytes(b""))

    found, read, write = in_child(child)
    mask = 1 << CAP_DAC_READ_SEARCH
    assert found == {"Eff": mask, "Prm": mask, "Inh": 0, "Amb": 0}
    assert (read, write) == (OK, "EACCES")


def test_none_that_it_hasnt() -> None:
    def child() -> str:
        limit_capabilities(0)
        return attempt(lambda: limit_capabilities(1 << CAP_DAC_READ_SEARCH))

    assert in_child(child) == "EPERM"


@needs_root
def test_ambient_ones_go_too() -> None:
    """systemd's AmbientCapabilities= give a user the right to bind port 443; nothing that it starts needs that."""

    def child() -> tuple[int, int, str]:
        libc = ctypes.CDLL(None, use_errno=True)
        # PR_SET_KEEPCAPS over the change of user, and PR_CAP_AMBIENT_RAISE.
        assert libc.prctl(8, 1, 0, 0, 0) == 0
        os.setresuid(NOBODY, NOBODY, NOBODY)
        mask = 1 << CAP_NET_BIND_SERVICE
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        assert libc.capset(header, (ctypes.c_uint32 * 6)(mask, mask, mask)) == 0
        assert libc.prctl(47, 2, CAP_NET_BIND_SERVICE, 0, 0) == 0
        before = capabilities()["Amb"]
        limit_capabilities(0)
        with socket.socket() as sock:
            return before, capabilities()["Amb"], attempt(lambda: sock.bind(("127.0.0.1", 1)))

    assert in_child(child) == (1 << CAP_NET_BIND_SERVICE, 0, "EACCES")


def test_no_new_privileges() -> None:
    def child() -> tuple[str | None, str | None]:
        before = status("NoNewPrivs")
        forbid_new_privileges()
        return before, status("NoNewPrivs")

    assert in_child(child)[1] == "1"


def test_no_core_file_and_not_dumpable() -> None:
    def child() -> tuple[bool, int, bool]:
        forbid_looking_in()
        _soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        return is_dumpable(), resource.getrlimit(resource.RLIMIT_CORE)[0], hard == hard_before

    hard_before = resource.getrlimit(resource.RLIMIT_CORE)[1]
    assert in_child(child) == (False, 0, True)


@pytest.mark.parametrize("shut", [False, True])
def test_others_of_its_user_may_not_look_in(*, shut: bool) -> None:
    """Asked by a process of the same user without capabilities, as one that took a site's scripts over would be."""

    def look_into(pid: int) -> str:
        return attempt(lambda: list(Path(f"/proc/{pid}/fd").iterdir()))

    def child() -> str:
        if os.geteuid() == 0:
            os.setresuid(NOBODY, NOBODY, NOBODY)
        # PR_SET_DUMPABLE: a change of user shuts a process, and a program that is started is open again.
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
        limit_capabilities(0)
        if shut:
            forbid_looking_in()
        return in_child(lambda: look_into(os.getppid()))

    assert in_child(child) == ("EACCES" if shut else OK)
