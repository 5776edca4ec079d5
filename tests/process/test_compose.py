"""config/compose.yaml: against Compose, against the files that it mounts, and run, machines in place of containers.

Its addresses are those of haproxy.cfg and prometheus.yml. In network namespaces they can be had, so HAProxy and
Prometheus run with the very files; of the servers' file only paths are others.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from ktlsserve.arguments import serve_parser
from ktlsserve.config.file import parse_config
from ktlsserve.doctor.machine_checks import SPARE_DESCRIPTORS
from ktlsserve.supervisor.stopping import KILL_MARGIN_S
from tests.support.host_files import sysctls
from tests.support.machines_apart import MachinesApart, Running
from tests.support.pki import new_authority, write_pair
from tests.support.programs import find_program
from tests.support.server import CHECKOUT
from tests.support.waiting import LIMIT_S, wait_until

FOLDER = CHECKOUT / "config"
FILE = FOLDER / "compose.yaml"
TEXT = FILE.read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = ("one", "two")
DOCUMENT = (FOLDER / "compose.toml").read_text(encoding="utf-8")
CONFIG = parse_config(DOCUMENT)
ADDRESSES = {name: service["networks"]["inside"]["ipv4_address"] for name, service in SERVICES.items()}
CLIENT = "192.0.2.20"
# Prometheus asks every 15 seconds, the first time within as many: it isn't asked all the time meanwhile.
PAUSE_S = 0.25


def judged(file: Path) -> str:
    """Return what Compose says against a file."""
    command = [find_program("docker-compose"), "-f", str(file), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    return done.stdout + done.stderr + (f"status {done.returncode}" if done.returncode else "")


@pytest.mark.slow
def test_compose_takes_the_file(tmp_path: Path) -> None:
    assert judged(FILE) == ""
    # It does complain where there is reason to.
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(TEXT.replace("stop_grace_period:", "stop_grace_time:"))
    assert "stop_grace_time" in judged(wrong)


def mounts(name: str) -> dict[str, Path]:
    """Return what a service has of this folder, by where it has it."""
    parts = [volume.split(":") for volume in SERVICES[name]["volumes"]]
    assert all(part[-1] == "ro" for part in parts if part[0].startswith("./"))
    return {part[1]: FOLDER / part[0] for part in parts if part[0].startswith("./")}


def test_what_is_mounted_is_there_and_where_it_is_looked_for() -> None:
    for name in SERVICES:
        for there in mounts(name).values():
            # The folder with the keys is made as the file says.
            assert there.exists() or there == FOLDER / "tls", there
    served = mounts("one")
    command, *arguments = SERVICES["one"]["command"]
    assert command == "serve"
    assert served[str(serve_parser().parse_args(arguments).config)] == FOLDER / "compose.toml"
    assert served[str(CONFIG.server.root)] == FOLDER / "site"
    assert served["/etc/ktlsserve/tls"] == FOLDER / "tls"
    made = {f"tls/{name}" for name in re.findall(r"\btls/(\w+\.\w+)", TEXT)}
    (pair,) = CONFIG.tls.certificates
    assert {str(path) for path in (pair.cert, pair.key, *CONFIG.tls.ticket_keys)} == made


def test_addresses_are_those_of_the_files_that_are_mounted() -> None:
    balancer = (FOLDER / "haproxy.cfg").read_text(encoding="utf-8")
    port = CONFIG.server.listen[0].port
    assert re.findall(r"^    server (\w+) (\S+)$", balancer, re.MULTILINE) == [
        (name, f"{ADDRESSES[name]}:{port}") for name in SERVERS
    ]
    assert [str(network) for network in CONFIG.server.proxy_protocol] == [f"{ADDRESSES['haproxy']}/32"]
    (job,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    admin = CONFIG.admin.listen[0].port
    assert job["static_configs"][0]["targets"] == [f"{ADDRESSES[name]}:{admin}" for name in SERVERS]
    assert len(set(ADDRESSES.values())) == len(SERVICES)
    (network,) = COMPOSE["networks"]["inside"]["ipam"]["config"]
    assert all(address.startswith(network["subnet"].removesuffix("0/24")) for address in ADDRESSES.values())


def test_there_is_time_for_the_drain() -> None:
    checks = re.search(r"inter (\d+)ms fall (\d+)", (FOLDER / "haproxy.cfg").read_text(encoding="utf-8"))
    assert checks is not None
    assert int(checks[1]) / 1000 * int(checks[2]) < CONFIG.server.drain_pause_s
    for name in SERVERS:
        grace_s = float(SERVICES[name]["stop_grace_period"].removesuffix("s"))
        assert grace_s > CONFIG.server.drain_s + KILL_MARGIN_S


def test_the_servers_are_alike_confined_and_those_of_kubernetes() -> None:
    one, two = ({**SERVICES[name], "networks": None} for name in SERVERS)
    assert one == two
    assert one["user"] == "10001:10001"
    assert one["ulimits"]["nofile"] >= CONFIG.limits.connections * 2 + SPARE_DESCRIPTORS
    settings = sysctls()
    assert all(settings[key] == str(value) for key, value in one["sysctls"].items())
    for service in SERVICES.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(SERVICES[name]["read_only"] for name in (*SERVERS, "haproxy"))
    kubernetes = (FOLDER / "kubernetes.yaml").read_text(encoding="utf-8")
    assert f"image: {one['image']}\n" in kubernetes
    # Whoever can reach the machine must not reach these.
    assert not any("ports" in SERVICES[name] for name in SERVERS)
    assert SERVICES["prometheus"]["ports"] == ["127.0.0.1:9090:9090"]


@pytest.fixture(scope="module")
def machines() -> Iterator[MachinesApart]:
    everybody = {**ADDRESSES, "client": CLIENT}
    with MachinesApart({name: f"{address}/24" for name, address in everybody.items()}) as apart:
        yield apart


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The servers' configuration with its paths replaced, and the keys that the file says how to make."""
    folder = tmp_path_factory.mktemp("compose")
    authority = new_authority(days=(-10_000, 10_000))
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "tls").mkdir()
    write_pair(folder / "tls", "server", authority.issue("server", ["localhost"], days=(-10_000, 10_000)))
    command = re.search(r"\(umask 077; openssl rand 80 >tls/ticket\.key\)", TEXT)
    assert command is not None
    subprocess.run(command[0], shell=True, cwd=folder, check=True)
    assert DOCUMENT.count('"/srv/site"') == 1
    (folder / "ktlsserve.toml").write_text(DOCUMENT.replace('"/srv/site"', f'"{FOLDER / "site"}"'))
    return folder


@pytest.fixture(scope="module")
def started(machines: MachinesApart, folder: Path) -> Iterator[dict[str, Running]]:
    """Everything that the file starts, on machines of their own."""
    # One package has both.
    prometheus = [
        str(Path(find_program("promtool")).with_name("prometheus")),
        f"--config.file={FOLDER / 'prometheus.yml'}",
    ]
    prometheus += [f"--storage.tsdb.path={folder / 'measured'}", f"--web.listen-address={ADDRESSES['prometheus']}:9090"]
    commands = {
        name: [
            sys.executable,
            "-m",
            "ktlsserve",
            *(word if word.startswith("-") or word == "serve" else str(folder / "ktlsserve.toml") for word in service),
            "--access-log",
            "-",
        ]
        for name, service in ((name, SERVICES[name]["command"]) for name in SERVERS)
    }
    commands["haproxy"] = [find_program("haproxy"), "-db", "-f", str(FOLDER / "haproxy.cfg")]
    commands["prometheus"] = prometheus
    running: dict[str, Running] = {}
    with ExitStack() as stack:
        for name, command in commands.items():
            process = Running(machines.command(name, *command), folder / f"{name}.log")
            running[name] = stack.enter_context(process)
        for name in SERVERS:
            running[name].wait_for("listening on https://0.0.0.0:8443")
        wait_until(lambda: answers(machines, f"{ADDRESSES['haproxy']}:443"), "HAProxy")
        yield running


def answers(machines: MachinesApart, address: str) -> bool:
    """Tell whether anybody accepts connections there."""
    command = machines.command(
        "client", "curl", "--silent", "--max-time", "10", "--noproxy", "*", "-k", f"https://{address}"
    )
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def curl(machines: MachinesApart, folder: Path, url: str) -> str:
    ca = ["--cacert", str(folder / "ca.pem"), "--resolve", f"localhost:443:{ADDRESSES['haproxy']}"]
    return machines.run(
        "client", "curl", "--silent", "--show-error", "--fail", "--max-time", "10", "--noproxy", "*", *ca, url
    )


@pytest.mark.slow
def test_both_answer_through_the_balancer_and_know_their_client(
    machines: MachinesApart, folder: Path, started: dict[str, Running]
) -> None:
    def answered_by() -> set[str]:
        content = curl(machines, folder, "https://localhost/robots.txt")
        assert content == (FOLDER / "site" / "robots.txt").read_text()
        lines = {
            name: re.findall(r"^(\S+) .*GET /robots\.txt", started[name].printed(), re.MULTILINE) for name in SERVERS
        }
        assert {client for clients in lines.values() for client in clients} <= {CLIENT}
        return {name for name in SERVERS if lines[name]}

    # Until its checks have succeeded once, HAProxy takes both for good.
    wait_until(lambda: answered_by() == set(SERVERS), "answers by both")


@pytest.mark.slow
def test_either_resumes_the_sessions_of_the_other(
    machines: MachinesApart, folder: Path, started: dict[str, Running]
) -> None:
    session = str(folder / "session.pem")
    command = ["openssl", "s_client", "-connect", f"{ADDRESSES['haproxy']}:443", "-servername", "localhost", "-tls1_2"]
    assert "New, TLSv1.2" in machines.run("client", *command, "-sess_out", session)
    for _ in range(4):
        assert "Reused, TLSv1.2" in machines.run("client", *command, "-sess_in", session)


@pytest.mark.slow
def test_prometheus_asks_both(machines: MachinesApart, folder: Path, started: dict[str, Running]) -> None:
    def up() -> set[str]:
        with suppress(subprocess.TimeoutExpired):
            started["prometheus"].process.wait(PAUSE_S)
        answer = curl(machines, folder, f"http://{ADDRESSES['prometheus']}:9090/api/v1/targets?state=active")
        targets = json.loads(answer)["data"]["activeTargets"]
        # There are none yet for a moment after the start.
        assert {target["labels"]["ktls"] for target in targets} <= {"expected"}
        return {target["labels"]["instance"] for target in targets if target["health"] == "up"}

    started["prometheus"].wait_for("Server is ready to receive web requests")
    expected = {f"{ADDRESSES[name]}:{CONFIG.admin.listen[0].port}" for name in SERVERS}
    wait_until(lambda: up() == expected, "both targets up")
    answer = curl(machines, folder, f"http://{ADDRESSES['prometheus']}:9090/api/v1/query?query=ktlsserve_ready")
    assert [result["value"][1] for result in json.loads(answer)["data"]["result"]] == ["1", "1"]
