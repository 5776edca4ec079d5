from __future__ import annotations

import os

import pytest

from loadtests.syscalls import datagrams
from loadtests.syscalls.__main__ import main, parse_options
from loadtests.syscalls.basics import copies, system_call
from loadtests.syscalls.measuring import run
from loadtests.syscalls.preparing import QUICK, Extent, prepare
from loadtests.syscalls.subjects import Case, Method


def test_all_cases() -> None:
    extent = Extent()
    assert extent.datagram_cases(Method.SENDTO) == [Case(Method.SENDTO, 1472), Case(Method.SENDTO, 1200)]
    assert {case.packets for case in extent.datagram_cases(Method.GSO)} == {1, 2, 4, 8, 16, 32, 64, 128}
    assert [case.unit_bytes for case in extent.file_cases()] == [4096 * 4**power for power in range(6)]


def test_what_the_kernel_refuses_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "UDP_SEGMENT", 30_000)
    with prepare(QUICK) as prepared:
        methods = {subject.case.method for subject in prepared.subjects}
    assert methods == set(Method) - {Method.GSO, Method.GSO_WHOLE}
    assert [reason.partition(":")[0] for reason in prepared.absent] == ["GSO", "GSO, left whole"]


def test_the_cheap_call_is_that_call() -> None:
    assert system_call().call() == os.getppid()
    assert run(system_call(), 100).loop_ns > 0


def test_copies_are_copies() -> None:
    for subject in copies():
        for arguments in subject.arguments[:3]:
            assert len(subject.call(*arguments)) == 1500 * subject.case.packets
        assert subject.nothing(*subject.no_arguments) == b""
    near, far = copies()
    assert len(near.arguments) == 1
    # Each packet of the other is one of its own, and together they are more than a cache holds.
    assert len({id(packet) for (group,) in far.arguments for packet in group}) * 1500 > 60 << 20


def test_options() -> None:
    assert parse_options([]).extent == Extent()
    quick = parse_options(["--quick", "--rounds", "2"])
    assert (quick.extent.rounds, quick.extent.batches, quick.out) == (2, (1, 8, 32), None)
    with pytest.raises(SystemExit):
        parse_options(["--rounds", "0"])


def test_without_matplotlib_it_says_so_before_it_measures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert main(["--out", "somewhere"]) == 2
    assert "syscalls: error: the plot needs matplotlib" in capsys.readouterr().err
