"""The image as a container: read-only, without a capability, as a user who is nobody, and it serves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.container import CONFINED, Container
from tests.image.engine import Engine
from tests.support import processes
from tests.support.downloads import HELLO, SMALL_BUFFER_BYTES, make_download_root, require_whole
from tests.support.pki import TODAY_TOO, new_authority, write_pair
from tests.support.programs import find_program
from tests.support.server import CHECKOUT
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import request

USER = 10001


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site and a certificate, as somebody mounts them."""
    folder = tmp_path_factory.mktemp("mounted")
    (folder / "site").mkdir()
    make_download_root(folder / "site")
    (folder / "site" / "random.bin").write_bytes(os.urandom(3_000_001))
    (folder / "tls").mkdir()
    authority = new_authority(days=TODAY_TOO)
    write_pair(folder / "tls", "tls", authority.issue("tls", ["localhost"], days=TODAY_TOO))
    (folder / "ca.pem").write_bytes(authority.pem)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@pytest.fixture(scope="module")
def container(engine: Engine, image: str, place: Path) -> Iterator[Container]:
    variables = {
        "KTLSSERVE_CERT": "/tls/tls.pem",
        "KTLSSERVE_KEY": "/tls/tls.key",
        "KTLSSERVE_WORKERS": "1",
        "KTLSSERVE_ACCESS_LOG": "-",
        "KTLSSERVE_LOG_FORMAT": "json",
    }
    volumes = {"/srv/site": place / "site", "/tls": place / "tls"}
    authority = place / "ca.pem"
    with Container(engine, image, variables=variables, volumes=volumes, authority=authority) as running:
        yield running


def test_files_arrive_byte_for_byte(container: Container, place: Path, tmp_path: Path) -> None:
    port = container.address[1]
    for name in ("hello.txt", "random.bin", "large.bin"):
        fetched = tmp_path / name
        command = [find_program("curl"), "--silent", "--show-error", "--fail", "--cacert", str(place / "ca.pem")]
        command += ["--resolve", f"localhost:{port}:127.0.0.1", "--output", str(fetched)]
        subprocess.run([*command, f"https://localhost:{port}/{name}"], timeout=LIMIT_S, check=True)
        assert fetched.read_bytes() == (place / "site" / name).read_bytes()


def test_variables_configure_it(container: Container) -> None:
    assert len(container.workers()) == 1
    with container.wire() as wire:
        wire.get("/hello.txt?seen", "Connection: close")
    container.wait_for_log(r'"GET /hello.txt\?seen HTTP/1.1" 200')
    messages = [json.loads(line) for line in container.log().splitlines() if line.startswith("{")]
    assert any("confined: " in message["message"] for message in messages)


def test_it_is_confined(container: Container) -> None:
    for pid in (container.supervisor, *container.workers()):
        status = dict(re.findall(r"^(\w+):\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
        assert status["Uid"].split() == status["Gid"].split() == [str(USER)] * 4
        assert status["NoNewPrivs"] == "1"
        # The runtime's filter of system calls.
        assert status["Seccomp"] == "2"
        for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
            assert int(status[f"Cap{kind}"], 16) == 0
    container.wait_for_log(f"confined: user {USER}, capabilities none, no new privileges, not dumpable")
    mounted = Path(f"/proc/{container.supervisor}/mounts").read_text()
    assert re.search(r"^\S+ / \S+ ro,", mounted, re.MULTILINE)


def test_its_health_check_is_green_and_red_when_the_worker_hangs(container: Container) -> None:
    assert container.healthcheck() == (0, f"healthy: https://127.0.0.1:{container.address[1]}/readyz: 200")
    (worker,) = container.workers()
    os.kill(worker, signal.SIGSTOP)
    wait_until(lambda: processes.is_stopped(worker), "SIGSTOP")
    try:
        status, said = container.healthcheck()
    finally:
        os.kill(worker, signal.SIGCONT)
    assert (status, said) == (
        1,
        f"not healthy: https://127.0.0.1:{container.address[1]}/readyz: no answer within 3 s",
    )
    assert container.healthcheck()[0] == 0


def test_it_is_not_replaced_by_a_program_that_would_end_with_it(engine: Engine, container: Container) -> None:
    engine.podman("kill", "--signal=USR2", container.name)
    container.wait_for_log("SIGUSR2: not in a container, which ends with its first process: start a new container")
    assert container.healthcheck()[0] == 0


def test_a_reload_goes_on_with_what_the_variables_say(engine: Engine, container: Container) -> None:
    (before,) = container.workers()
    engine.podman("kill", "--signal=HUP", container.name)
    container.wait_for_log("1 workers serve with the new configuration")
    wait_until(lambda: len(container.workers()) == 1 and before not in container.workers(), "the old worker's end")
    assert container.healthcheck()[0] == 0


def test_a_stop_drains(engine: Engine, image: str, place: Path) -> None:
    """A client that takes its time gets all of it, and the container ends with status 0."""
    with Container(engine, image, volumes={"/srv/site": place / "site"}) as container:
        with container.wire(receive_buffer_bytes=SMALL_BUFFER_BYTES) as wire:
            wire.send(request("/large.bin"))
            wire.await_beginning()
            stop = engine.start_podman("stop", f"--time={LIMIT_S:g}", container.name)
            container.wait_for_log("SIGTERM: draining")
            assert stop.poll() is None
            require_whole(wire)
        assert stop.wait(LIMIT_S) == 0
        assert container.exit_status() == 0


def test_it_serves_without_anything_mounted(engine: Engine, image: str) -> None:
    """By the image's own configuration, in a network of its own: its site, and a certificate in memory."""
    with Container(engine, image, network="none") as container:
        log = container.wait_for_log(r"listening on https://\[::\]:8443 .* root=/srv/site$").string
        assert "listening on https://0.0.0.0:8443 " in log
        assert "the self-signed certificate can't be kept, clients will see another one next time" in log
        assert container.healthcheck()[0] == 0
        for address in ("127.0.0.1", "[::1]"):
            url = f"https://{address}:8443/robots.txt"
            assert container.run("ktlsserve", "healthcheck", "--url", url) == f"healthy: {url}: 200\n"
        fetch = (
            "import ssl, urllib.request as u; c = ssl._create_unverified_context()\n"
            "print(u.urlopen('https://localhost:8443/robots.txt', context=c).read().decode(), end='')"
        )
        expected = (CHECKOUT / "config" / "site" / "robots.txt").read_text(encoding="utf-8")
        assert container.run("python", "-c", fetch) == expected
        # What it would say of itself to whoever asks.
        assert f"workers run as ktlsserve ({USER})" in container.run("ktlsserve", "doctor")


def test_a_volume_keeps_the_certificate(engine: Engine, image: str, tmp_path: Path) -> None:
    """The state folder as a volume that can be written: the next container shows the same certificate."""
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o700)
    os.chown(kept, USER, USER)
    seen = set()
    for _ in range(2):
        with Container(engine, image, network="none", options=[f"--volume={kept}:/var/lib/ktlsserve"]):
            seen.add((kept / "self-signed.pem").read_bytes())
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--env=KTLSSERVE_TLS=kernl"],
            "environment: KTLSSERVE_TLS: must be auto, kernel, userspace or off, not 'kernl'",
        ),
        (["--env=KTLSSERVE_CONFIG=/etc/no.toml"], "/etc/no.toml: file: can't be read: No such file or directory"),
        (["--env=KTLSSERVE_ROOT=/srv/nothing"], "KTLSSERVE_ROOT: no such folder: /srv/nothing"),
    ],
)
def test_a_wrong_variable_is_a_message_and_status_2(
    engine: Engine, image: str, arguments: list[str], message: str
) -> None:
    status, said = engine.podman_status("run", "--rm", "--network=none", *CONFINED, *arguments, image)
    assert status == 2
    assert f"ktlsserve: error: {message}\n" in said
    assert "Traceback" not in said


def test_a_wrong_file_is_a_message_and_status_2(engine: Engine, image: str, tmp_path: Path) -> None:
    file = tmp_path / "ktlsserve.toml"
    file.write_text('[server]\nroot = "/srv/site"\nlisten = ["8443"]\n[tsl]\n')
    file.chmod(0o644)
    volume = f"--volume={file}:/etc/ktlsserve/ktlsserve.toml:ro"
    status, said = engine.podman_status("run", "--rm", "--network=none", *CONFINED, volume, image)
    assert status == 2
    where = "ktlsserve: error: /etc/ktlsserve/ktlsserve.toml"
    assert f"{where}: server.listen[0]: '8443' must end in a port" in said
    assert f"{where}: tsl: unknown key; did you mean tls? (line 4)\n" in said


def test_other_commands_and_folders_are_arguments(engine: Engine, image: str, place: Path) -> None:
    alone = ("run", "--rm", "--network=none", *CONFINED)
    assert engine.podman(*alone, image, "check", "/etc/ktlsserve/ktlsserve.toml") == (
        "/etc/ktlsserve/ktlsserve.toml: ok\n"
    )
    with Container(engine, image, volumes={"/other": place / "site"}, arguments=["/other"]) as container:
        container.wait_for_log(r"listening on .* root=/other$")
        with container.wire() as wire:
            assert wire.get("/hello.txt", "Connection: close").body == HELLO
