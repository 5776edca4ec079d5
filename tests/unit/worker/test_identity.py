from __future__ import annotations

import os

import pytest

from ktlsserve.errors import StartupError
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.privileges import CAP_SETUID
from ktlsserve.worker.identity import Identity
from tests.support.forked import attempt, in_child

needs_root = pytest.mark.skipif(not Machine().has_capability(CAP_SETUID), reason="this process has no CAP_SETUID")

SOMEBODY = Identity("somebody", 65533, 65532, (65532, 65531))
OURS = Identity("ours", os.getuid(), os.getgid(), ())


def ids() -> tuple[tuple[int, ...], tuple[int, ...], list[int]]:
    return os.getresuid(), os.getresgid(), sorted(os.getgroups())


@needs_root
def test_it_becomes_all_of_it_for_good() -> None:
    def child() -> tuple[object, str, str, str]:
        SOMEBODY.become()
        return (
            ids(),
            attempt(lambda: os.setuid(0)),
            attempt(lambda: os.setgroups([0])),
            Machine().status_field("CapEff") or "",
        )

    assert in_child(child) == (((65533,) * 3, (65532,) * 3, [65531, 65532]), "EPERM", "EPERM", "0" * 16)


@needs_root
def test_twice_is_as_good_as_once() -> None:
    def child() -> bool:
        SOMEBODY.become()
        SOMEBODY.become()
        return SOMEBODY.is_ours

    assert in_child(child)


@needs_root
def test_no_capability_comes_along_from_a_user_who_isnt_root() -> None:
    """The kernel takes them from root alone: a user with CAP_SETUID would keep that, and could come back."""

    def child() -> tuple[str, str]:
        import ctypes  # noqa: PLC0415 - in the child alone

        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(8, 1, 0, 0, 0) == 0
        os.setresuid(65530, 65530, 65530)
        mask = 1 << CAP_SETUID | 1 << (CAP_SETUID - 1)
        assert libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(mask, mask, 0)) == 0
        SOMEBODY.become()
        return Machine().status_field("CapPrm") or "", attempt(lambda: os.setuid(0))

    assert in_child(child) == ("0" * 16, "EPERM")


def test_who_it_is_already_needs_no_right() -> None:
    assert OURS.is_ours
    OURS.become()


def test_a_change_that_isnt_allowed_is_no_start() -> None:
    def child() -> str:
        if os.geteuid() == 0:
            os.setresuid(65530, 65530, 65530)
        try:
            SOMEBODY.become()
        except StartupError as error:
            return str(error)
        return ""

    assert in_child(child) == "server.user: can't become somebody: Operation not permitted"


def test_a_change_that_didnt_happen_is_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("setgroups", "setresgid", "setresuid"):
        monkeypatch.setattr(os, name, lambda *_: None)
    monkeypatch.setattr("ktlsserve.worker.identity.limit_capabilities", lambda _kept: None)
    with pytest.raises(StartupError, match="did not become somebody"):
        SOMEBODY.become()


@needs_root
def test_a_way_back_is_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the saved user is left as it was."""

    def child() -> str:
        really = os.setresuid
        monkeypatch.setattr(os, "setresuid", lambda real, effective, _saved: really(real, effective, 0))
        monkeypatch.setattr(Identity, "is_ours", property(lambda _self: os.geteuid() == SOMEBODY.uid))
        try:
            SOMEBODY.become()
        except StartupError as error:
            return str(error)
        return ""

    assert in_child(child) == "server.user: this process could become root again after it became somebody"
