"""Each server to compare with, started on one small tree and asked over its own protocol."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ktlsserve.kernel.probe import probe_kernel_tls
from loadtests.baselines import BASELINES, Missing, Protocol, Running, Site
from loadtests.baselines.asking import Answer, ask
from loadtests.bench.certificate import make_certificate
from loadtests.bench.errors import RunFailed
from loadtests.bench.launch import Launch
from loadtests.bench.peers import CHECKOUT
from loadtests.bench.place import Place, free_port
from loadtests.bench.process import ServerProcess
from loadtests.bench.workloads import Mode
from tests.support.programs import find_program, nothing_may_be_missing
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.slow

MEBIBYTE = bytes(range(256)) * 4096
TEXT = b"a text of few words\n"
KERNEL = "ktlsserve-kernel"
# What the kernel of this machine can't do is no gap in what is installed.
HERE = [name for name in BASELINES if name != KERNEL or probe_kernel_tls().available]
PYTHON = ("aioquic", "aioquic-gso", "qh3", "qh3-gso")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("baselines")
    root = folder / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "1MiB.bin").write_bytes(MEBIBYTE)
    (root / "sub" / "page one.txt").write_bytes(TEXT)
    (root / "empty.bin").touch()
    (folder / "secret.txt").write_bytes(b"not for anybody\n")
    pem = folder / "server.pem"
    make_certificate(pem)
    return Site(root, pem, pem, pem)


@pytest.fixture(scope="module", params=HERE)
def running(request: pytest.FixtureRequest, site: Site) -> Iterator[Running]:
    name: str = request.param
    reason = BASELINES[name].missing()
    if reason is not None:
        if nothing_may_be_missing():
            pytest.fail(f"{name}: {reason}; CI=true and KTLSSERVE_REQUIRE_KTLS=1 ask for it", pytrace=False)
        pytest.skip(f"{name}: {reason}")
    with BASELINES[name].start(site) as started:
        yield started


def _ask(running: Running, site: Site, path: str, *, method: str = "GET", **fields: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return ask(running.url + path, running.protocol, site.ca, method=method, fields=named)


def test_files_come_whole(running: Running, site: Site) -> None:
    for path, content in {"/1MiB.bin": MEBIBYTE, "/sub/page%20one.txt": TEXT, "/empty.bin": b""}.items():
        answer = _ask(running, site, path)
        assert (answer.status, answer.body == content) == (200, True), path
        assert answer.fields["content-length"] == str(len(content))


def test_a_range_is_a_part(running: Running, site: Site) -> None:
    answer = _ask(running, site, "/1MiB.bin", range="bytes=1000-300999")
    assert (answer.status, answer.body == MEBIBYTE[1000:301000]) == (206, True)
    assert answer.fields["content-range"] == f"bytes 1000-300999/{len(MEBIBYTE)}"


def test_who_has_the_file_gets_no_other(running: Running, site: Site) -> None:
    etag = _ask(running, site, "/1MiB.bin").fields["etag"]
    answer = _ask(running, site, "/1MiB.bin", if_none_match=etag)
    assert (answer.status, answer.body) == (304, b"")
    assert _ask(running, site, "/1MiB.bin", if_none_match='"other"').status == 200


def test_a_head_has_no_body(running: Running, site: Site) -> None:
    answer = _ask(running, site, "/1MiB.bin", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.fields["content-length"] == str(len(MEBIBYTE))


@pytest.mark.parametrize("path", ["/nowhere.txt", "/sub/nowhere/at/all", "/1MiB.bin/x"])
def test_what_does_not_exist_is_not_found(running: Running, site: Site, path: str) -> None:
    assert _ask(running, site, path).status == 404


@pytest.mark.parametrize("path", ["/../secret.txt", "/sub/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt"])
def test_nothing_beside_the_tree_is_served(running: Running, site: Site, path: str) -> None:
    answer = _ask(running, site, path)
    assert answer.status in {400, 403, 404}
    assert b"not for anybody" not in answer.body


def test_the_other_protocol_is_not_spoken(running: Running, site: Site) -> None:
    other = Protocol.HTTP_1_1 if running.protocol is Protocol.HTTP_3 else Protocol.HTTP_3
    with pytest.raises(RunFailed):
        ask(running.url + "/1MiB.bin", other, site.ca, limit_s=2)


def test_its_processes_are_known_and_nothing_was_dropped(running: Running) -> None:
    assert running.pid in running.pids
    assert running.drops() == 0
    assert running.log.exists()


def _expect(answer: Answer, body: bytes) -> None:
    assert answer.body == body


@pytest.mark.parametrize("name", PYTHON)
def test_system_calls_carry_one_datagram_or_a_batch(name: str, site: Site, tmp_path: Path) -> None:
    strace = find_program("strace")
    baseline = BASELINES[name]
    place = Place(tmp_path, site.root, site.certificate, free_port(), Mode.USERSPACE, site.key)
    launch = baseline.launch(place)
    traced = [strace, "-f", "-qq", "-e", "trace=sendmsg,sendto,sendmmsg", "-o", str(tmp_path / "calls")]
    process = ServerProcess(name, Launch([*traced, *launch.command], launch.environment), tmp_path)
    try:
        url = place.url("/1MiB.bin")
        process.wait_until(lambda: _expect(ask(url, Protocol.HTTP_3, site.ca), MEBIBYTE))
        (server,) = (pid for pid in process.pids() if pid != process.pid)
        os.kill(server, signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
    finally:
        process.stop()
    lengths = [int(found) for found in re.findall(r"msg_iovlen=(\d+)", (tmp_path / "calls").read_text())]
    said = re.search(r"sent (\d+) datagrams by (\d+) system calls \(0 failed\)", process.log.read_text())
    assert said is not None
    assert [sum(lengths), len(lengths)] == [int(number) for number in said.groups()]
    assert sum(lengths) > len(MEBIBYTE) / 1452
    if name.endswith("-gso"):
        assert max(lengths) <= 32
        assert max(lengths) >= 8
        assert sum(lengths) > 3 * len(lengths)
    else:
        assert set(lengths) == {1}


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "loadtests.baselines", *arguments]


def test_the_command_says_when_it_is_ready_and_stops_when_told(site: Site) -> None:
    process = subprocess.Popen(
        _command("qh3", str(site.root), "--cpus", "0"), cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        try:
            line = process.stdout.readline()
            found = re.fullmatch(r"ready qh3 https://127\.0\.0\.1:\d+ protocol=h3 pid=(\d+)\n", line)
            assert found, line
            server = int(found[1])
            assert os.sched_getaffinity(server) == {0}
            process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT_S) == 0
        finally:
            process.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("nobody", "."), 2, "no baseline is called 'nobody'"),
        (("qh3",), 2, "NAME and ROOT are needed"),
        (("qh3", "/nowhere"), 2, "/nowhere doesn't exist"),
        (("qh3", ".", "--cert", "README.md"), 2, "--cert and --key belong together"),
        (("qh3", ".", "--cert", "README.md", "--key", "README.md"), 1, "no certificate with its key in"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(arguments: tuple[str, ...], status: int, expected: str) -> None:
    ended = subprocess.run(_command(*arguments), cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ended.returncode == status
    assert expected in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_list_names_each_with_its_protocol() -> None:
    ended = subprocess.run(_command("--list"), cwd=CHECKOUT, capture_output=True, text=True, check=True)
    words = [line.split()[:2] for line in ended.stdout.splitlines()]
    assert words == [[name, str(baseline.protocol)] for name, baseline in BASELINES.items()]


def test_without_kernel_tls_what_the_kernel_lacks_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    none = replace(probe_kernel_tls(), available=False, reason="there is none", cure="take another")
    monkeypatch.setattr("loadtests.baselines.registry.probe_kernel_tls", lambda: none)
    with pytest.raises(Missing, match=f"{KERNEL}: there is none; take another"):
        BASELINES[KERNEL].start(site).__enter__()


def test_one_that_is_missing_is_not_started(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.bench.peers.find", lambda program: None)
    with pytest.raises(Missing, match="nginx-tls: nginx isn't installed: apt-get install"):
        BASELINES["nginx-tls"].start(site).__enter__()
