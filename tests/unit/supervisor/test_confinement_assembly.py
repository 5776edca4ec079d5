from __future__ import annotations

import logging
import os
import pwd
from pathlib import Path

import pytest

from ktlsserve.config import Server
from ktlsserve.errors import EXIT_STARTUP, StartupError
from ktlsserve.kernel.landlock import landlock_abi
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.mounts import file_system_type
from ktlsserve.supervisor import confinement_assembly
from ktlsserve.supervisor.confinement_assembly import assemble_confinement
from ktlsserve.worker.confinement import Confinement
from ktlsserve.worker.identity import Identity
from tests.support.forked import attempt, in_child

DAEMON = pwd.getpwnam("daemon")


@pytest.fixture(autouse=True)
def root_with_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "has_capability", lambda _self, _number: True)
    monkeypatch.setattr(confinement_assembly, "landlock_abi", lambda: 7)


def identity(server: Server) -> Identity | None:
    return assemble_confinement(server).identity


def test_who_may_not_change_the_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "has_capability", lambda _self, _number: False)
    with pytest.raises(StartupError, match="may not become daemon; start the server as root"):
        assemble_confinement(Server(user="daemon"))


def test_who_is_that_user_already_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "has_capability", lambda _self, _number: False)
    monkeypatch.setattr(os, "getresuid", lambda: (DAEMON.pw_uid,) * 3)
    monkeypatch.setattr(os, "getresgid", lambda: (DAEMON.pw_gid,) * 3)
    assert identity(Server(user="daemon")) is not None


@pytest.mark.parametrize(("uid", "user", "warns"), [(0, "", True), (1000, "", False), (0, "root", False)])
def test_root_is_warned_unless_it_was_meant(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, uid: int, user: str, *, warns: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assemble_confinement(Server(user=user))
    assert ("the workers run as root: set server.user" in caplog.text) == warns


@pytest.mark.parametrize(
    ("abi", "level", "said"),
    [
        (0, logging.WARNING, "can open whatever their user may read: this kernel has no landlock"),
        (1, logging.INFO, "landlock ABI 1 confines the workers' files only"),
        (5, logging.INFO, "landlock ABI 5 confines the workers' files and TCP only"),
        (6, logging.INFO, ""),
    ],
)
def test_the_log_tells_what_the_kernel_lacks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, abi: int, level: int, said: str
) -> None:
    monkeypatch.setattr(confinement_assembly, "landlock_abi", lambda: abi)
    with caplog.at_level(logging.INFO):
        found = assemble_confinement(Server(user="root"))
        assert (found.mode, found.landlock_abi) == ("auto", abi)
    told = [record for record in caplog.records if "landlock" in record.message]
    assert [record.levelno for record in told] == ([level] if said else [])
    assert all(said in record.message for record in told)


def test_required_is_no_start_without_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    assert assemble_confinement(Server(confine="required")).mode == "required"
    monkeypatch.setattr(confinement_assembly, "landlock_abi", lambda: 0)
    with pytest.raises(StartupError, match=r"server.confine = required, but this kernel has no landlock") as caught:
        assemble_confinement(Server(confine="required"))
    assert caught.value.exit_status == EXIT_STARTUP


def test_off_is_off_and_told(caplog: pytest.LogCaptureFixture) -> None:
    assert assemble_confinement(Server(confine="off", user="root")) == Confinement(
        "off", identity(Server(user="root")), 0
    )
    assert "the workers don't confine themselves" in caplog.text


@pytest.mark.skipif(landlock_abi() == 0, reason="landlock_create_ruleset: this kernel has no landlock")
def test_a_worker_still_learns_of_file_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement_assembly, "landlock_abi", landlock_abi)
    device = Path("/proc").stat().st_dev

    def child() -> tuple[str | None, str]:
        assemble_confinement(Server(confine="required")).apply(())
        return file_system_type(device), attempt(Path("/proc/self/status").read_bytes)

    assert in_child(child) == ("proc", "EACCES")
