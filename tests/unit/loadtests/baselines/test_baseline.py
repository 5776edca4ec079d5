from __future__ import annotations

import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.baselines.asking import Answer, Protocol
from loadtests.baselines.baseline import Baseline, Site, check, sample_file
from loadtests.baselines.errors import Missing, NotStarted, Untrusted
from loadtests.bench.launch import Launch
from loadtests.bench.place import HOST


def _site(folder: Path) -> Site:
    (folder / "a.txt").write_bytes(b"a")
    pem = folder / "server.pem"
    pem.touch()
    return Site(folder, pem, pem, pem)


def _baseline(*words: str, lacks: str | None = None) -> Baseline:
    return Baseline("it", Protocol.HTTP_1_1, lambda place: Launch(words), lambda: lacks, lambda: "1")


def test_the_smallest_file_that_all_servers_show_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    for name, size in {
        "index.html": 1,
        ".hidden": 1,
        ".git/config": 1,
        "empty": 0,
        "grüße": 1,
        "large": 100,
        "sub/small": 10,
    }.items():
        (tmp_path / name).write_bytes(b"x" * size)
    (tmp_path / "link").symlink_to("sub/small")
    assert sample_file(tmp_path) == "sub/small"


def test_a_tree_without_files_is_said(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes(b"<p>")
    with pytest.raises(NotStarted, match="there is no file in"):
        sample_file(tmp_path)


def test_what_is_missing_is_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="it: no such thing"), _baseline(lacks="no such thing").start(_site(tmp_path)):
        pass


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match="it can't be started: /nowhere/it"):
        _baseline("/nowhere/it").start(_site(tmp_path)).__enter__()


def test_a_server_that_ends_has_its_last_words_repeated(tmp_path: Path) -> None:
    ending = _baseline(sys.executable, "-c", "import sys; sys.exit('the port is on fire')")
    with pytest.raises(NotStarted, match="it ended with status 1: the port is on fire"), ending.start(_site(tmp_path)):
        pass


@pytest.mark.parametrize(
    ("protocol", "kind"), [(Protocol.HTTP_1_1, socket.SOCK_STREAM), (Protocol.HTTP_3, socket.SOCK_DGRAM)]
)
def test_a_port_that_is_taken_is_said(tmp_path: Path, protocol: Protocol, kind: socket.SocketKind) -> None:
    baseline = replace(_baseline("true"), protocol=protocol)
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((HOST, 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(NotStarted, match=f"port {port}: Address already in use; choose another"):
            baseline.start(_site(tmp_path), port=port).__enter__()


class _Running:
    name, url, protocol = "it", "https://x", Protocol.HTTP_3

    def last_words(self) -> str:
        return "its words"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(200, b"a"), None),
        (Answer(200, b"b"), "other bytes"),
        (Answer(404, b"a"), "status 404: its words"),
    ],
)
def test_an_answer_counts_only_if_it_is_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, expected: str | None
) -> None:
    monkeypatch.setattr("loadtests.baselines.baseline.ask", lambda *_: answer)
    site = _site(tmp_path)
    if expected is None:
        check(_Running(), site, "a.txt")  # type: ignore[arg-type]  # what is looked at is all there
    else:
        with pytest.raises(NotStarted, match=expected):
            check(_Running(), site, "a.txt")  # type: ignore[arg-type]  # what is looked at is all there


def test_nothing_is_left_of_a_server_that_nobody_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Answer:
        raise Untrusted("no")

    monkeypatch.setattr("loadtests.baselines.baseline.ask", refuse)
    pid_file = tmp_path / "pid"
    code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(Untrusted), _baseline(sys.executable, "-c", code).start(_site(tmp_path)):
        pass
    if pid_file.exists() and (text := pid_file.read_text()):
        with pytest.raises(ProcessLookupError):
            os.kill(int(text), 0)
