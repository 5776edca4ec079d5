"""Locust's users against real servers: what they ask for, what they count, and that wrong answers are noticed."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadtests.baselines import BASELINES, Site
from loadtests.bench.certificate import make_certificate
from loadtests.bench.place import free_port
from loadtests.users.manifest import manifest_of_folder, write_manifest
from tests.support.locust_run import (
    HTTP3,
    HTTPS,
    SCENARIO,
    SITE,
    LocustRun,
    Target,
    WebInterface,
    answered,
    ended,
    make_site,
    options,
    run,
)
from tests.support.server import Server

pytestmark = pytest.mark.slow

PROTOCOLS = pytest.mark.parametrize("user", [HTTPS, HTTP3])
# Each file by a row of its own.
QUIET = {"log.level": "warning"}
EACH = SITE + "".join(
    f'[[request]]\nname = "{n}"\npaths = "/pages/{n}.html"\nconditional = {"true" if n == 4 else "false"}\n'
    for n in range(1, 5)
)
# Long enough for a server to be ended amid it, and to come back.
SLOW = f"""\
{SITE}
[[request]]
name = "page"
paths = "/pages/*"

[users]
think_s = 0.02
pause_after_error_s = 0.01
timeout_s = 2
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody writes to it."""
    return make_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def https(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Iterator[Target]:
    with Server(tmp_path_factory.mktemp("https"), site, tls="userspace") as server:
        yield Target(server.url, server.ca_file)


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers; ``kill`` ends it at once."""

    target: Target
    pid: int
    kill: Callable[[], None]


@contextmanager
def serving(user: str, folder: Path, root: Path, port: int = 0) -> Iterator[Serving]:
    """Serve over the protocol of ``user``; again in the same folder with the same certificate."""
    if user == HTTPS:
        with Server(folder, root, tls="userspace", listen=[f"127.0.0.1:{port}"], settings=QUIET) as server:
            yield Serving(Target(server.url, server.ca_file), server.pid, server.kill)
        return
    folder.mkdir(parents=True, exist_ok=True)
    pem = folder / "server.pem"
    if not pem.exists():
        make_certificate(pem)
    with BASELINES["aioquic"].start(Site(root, pem, pem, pem), port=port) as running:
        yield Serving(Target(running.url, pem), running.pid, lambda: os.kill(running.pid, signal.SIGKILL))


def test_both_protocols_have_the_same_turns_and_the_server_agrees(tmp_path: Path, site: Path) -> None:
    access_log = tmp_path / "access.log"
    settings = {"log.access_log": str(access_log), "log.level": "warning"}
    with Server(tmp_path / "server", site, tls="userspace", settings=settings) as server:
        over_tls = run(tmp_path / "tls", HTTPS, Target(server.url, server.ca_file), "--turns", "15")
    with serving(HTTP3, tmp_path / "quic", site) as quic:
        over_quic = run(tmp_path / "h3", HTTP3, quic.target, "--turns", "15", "--server-pid", str(quic.pid))
    for found in (over_tls, over_quic):
        assert found.status == 0, found.log
        assert (found.results["failures"], found.errors(), found.results["trouble"]) == (0, [], [])
        assert found.counts().keys() == {"page", "assets", "again", "again (304)", "video"}
        assert found.counts()["assets"] % 4 == found.counts()["video"] % 4 == 0
    assert over_tls.counts() == over_quic.counts()
    assert over_tls.results["bytes"] == over_quic.results["bytes"]
    requests = over_tls.results["requests"]
    assert over_tls.results["protocols"] == {"HTTP/1.1": requests}
    assert over_quic.results["protocols"] == {"HTTP/3": requests}
    counts = over_tls.counts()
    assert answered(access_log) == {
        200: counts["page"] + counts["assets"] + counts["again"],
        304: counts["again (304)"],
        206: counts["video"],
    }
    # Cold turns are as many over either, but parallel requests over TLS have more connections.
    assert over_tls.results["handshakes"].keys() == {"TCP", "TCP + TLS"}
    assert over_quic.results["handshakes"].keys() == {"QUIC"}
    over_one = over_quic.results["handshakes"]["QUIC"]["requests"]
    assert 3 < over_one < over_tls.results["handshakes"]["TCP + TLS"]["requests"]
    assert over_quic.results["cpu_ms_per_request"] > 0
    assert over_tls.results["cpu_ms_per_request"] is None


@PROTOCOLS
def test_wrong_answers_are_noticed(user: str, tmp_path: Path) -> None:
    """A byte, a length, a file that is missing: each in the words for it, and nothing else."""
    root = make_site(tmp_path, EACH)
    pages = root / "pages"
    wrong = bytearray((pages / "1.html").read_bytes())
    wrong[len(wrong) // 2] ^= 1
    (pages / "1.html").write_bytes(wrong)
    length = (pages / "2.html").stat().st_size
    (pages / "2.html").write_bytes((pages / "2.html").read_bytes()[:-1])
    (pages / "3.html").unlink()
    scenario = f"{EACH}[users]\nsha256_share = 1\n"
    with serving(user, tmp_path / "server", root) as server:
        found = run(tmp_path / "run", user, server.target, "--turns", "20", scenario=scenario)
    assert found.status == 1
    failures = {name: row["failures"] for name, row in found.results["by_name"].items()}
    counts = found.counts()
    assert failures == {name: counts[name] if name in {"1", "2", "3"} else 0 for name in counts}
    byte, short, missing = sorted(found.errors(), key=lambda error: error.partition(":")[0])
    assert byte.startswith("/pages/1.html: wrong bytes: their SHA-256 is ")
    assert short == f"/pages/2.html: {length - 1} bytes, not {length}"
    assert missing == "/pages/3.html: status 404, not 200"
    for message in (byte, short, missing):
        assert message in found.log


def test_http_3_is_never_had_over_tcp(tmp_path: Path, https: Target) -> None:
    """Where only TCP is served, libcurl's own CURL_HTTP_VERSION_3 would fall back and be right 6 times."""
    found = run(tmp_path, HTTP3, https, "--turns", "2")
    assert found.status == 1
    assert found.results["failures"] == found.results["requests"] >= 6
    assert found.results["protocols"] == {}
    assert {error.partition(":")[0] for error in found.errors()} == {"no answer over HTTP/3"}


def test_a_certificate_of_nobody_known_is_refused(tmp_path: Path, https: Target) -> None:
    """Without --ca only public authorities are trusted."""
    place = ("--headless", "--host", https.url, "--results", tmp_path / "results.json", "--turns", "1")
    with LocustRun(tmp_path, HTTPS, *place) as locust:
        found = ended(tmp_path, locust)
    assert found.status == 1
    assert found.results["failures"] == found.results["requests"] > 0
    assert all("certificate" in error for error in found.errors())


@PROTOCOLS
def test_a_server_that_dies_amid_a_run_is_noticed_and_its_successor_found(
    user: str, tmp_path: Path, site: Path
) -> None:
    """libcurl keeps the connection of a QUIC server that has died; users don't."""
    port, web_port = free_port(), free_port()
    folder = tmp_path / "run"
    arguments: list[str | Path] = [user, "--users", "2", "--spawn-rate", "100", "--autostart"]
    arguments += ["--web-host", "127.0.0.1", "--web-port", str(web_port), "--results", folder / "results.json"]
    with ExitStack() as stack:
        with serving(user, tmp_path / "server", site, port) as server:
            given = options(folder, server.target, SLOW)
            locust = stack.enter_context(LocustRun(folder, *arguments, *given))
            web = WebInterface(web_port)
            web.wait_until_ready()
            web.wait_for_row("page", lambda requests, failures: requests > 0 and not failures, "right answers")
            server.kill()
            web.wait_for_row("page", lambda _, failures: failures > 0, "failures")
        with serving(user, tmp_path / "server", site, port):
            requests, failures = web.rows()["page"]
            right = requests - failures
            web.wait_for_row("page", lambda requests, failures: requests - failures > right + 20, "right answers again")
            locust.process.terminate()
            found = ended(folder, locust)
    assert found.status == 1
    assert 0 < found.results["failures"] < found.results["requests"]
    assert {error.partition(":")[0] for error in found.errors()} <= {
        "broken off",
        f"no answer over {'HTTP/1.1' if user == HTTPS else 'HTTP/3'}",
    }
    assert "not good enough: failures: " in found.log


def test_a_successor_that_knows_nothing_of_the_connection_is_found(tmp_path: Path, site: Path) -> None:
    """While the users think, another QUIC server takes the place of theirs, and no ICMP message tells them.

    What they send to it as on the old connection is never answered, and libcurl would go on sending there.
    """
    port, web_port = free_port(), free_port()
    folder = tmp_path / "run"
    arguments: list[str | Path] = [HTTP3, "--users", "2", "--spawn-rate", "100", "--autostart"]
    arguments += ["--web-host", "127.0.0.1", "--web-port", str(web_port), "--results", folder / "results.json"]
    thinking = SLOW.replace("think_s = 0.02", "think_s = 6").replace("timeout_s = 2", "timeout_s = 1")
    with ExitStack() as stack:
        with serving(HTTP3, tmp_path / "server", site, port) as server:
            given = options(folder, server.target, thinking)
            locust = stack.enter_context(LocustRun(folder, *arguments, *given))
            web = WebInterface(web_port)
            web.wait_until_ready()
            web.wait_for_row("page", lambda requests, failures: requests >= 2 and not failures, "right answers")
            server.kill()
        with serving(HTTP3, tmp_path / "server", site, port):
            _, failures = web.wait_for_row("page", lambda _, failures: failures >= 2, "failures")
            web.wait_for_row("page", lambda requests, failures: requests - failures >= 4, "right answers again")
        locust.process.terminate()
        found = ended(folder, locust)
    # Each user lost one request, not all that followed.
    assert found.results["failures"] <= failures + 2, found.log


def test_thresholds_decide_the_exit_status(tmp_path: Path, site: Path, https: Target) -> None:
    """Failures that are allowed are no reason to be red; a row that is too slow is, and it says by how much."""
    scenario = EACH.replace("/pages/1.html", "/pages/{1,9}.html") + "[users]\nsha256_share = 0\n"
    manifest = make_manifest(tmp_path / "manifest.json", site, "/pages/9.html")
    given = ("--turns", "8", "--manifest", manifest, "--thresholds", tmp_path / "thresholds.toml")
    (tmp_path / "thresholds.toml").write_text("failures_share = 0.9\np99_ms = 60_000\n")
    allowed = run(tmp_path / "allowed", HTTPS, https, *given, scenario=scenario)
    assert allowed.status == 0, allowed.log
    assert 0 < allowed.results["failures"] < allowed.results["requests"]
    (tmp_path / "thresholds.toml").write_text('failures_share = 0.9\n[[row]]\nname = "2"\np50_ms = 0\n')
    slow = run(tmp_path / "slow", HTTPS, https, *given, scenario=scenario)
    assert slow.status == 1
    assert re.search(r"not good enough: p50_ms of 2: \S+ ms, allowed 0 ms: \S+ ms too much", slow.log)
    assert "of 1:" not in slow.log.partition("not good enough")[2].partition("\n")[0]


def make_manifest(file: Path, site: Path, missing: str) -> Path:
    """Write a manifest of a site and a file that it lacks."""
    manifest = dict(manifest_of_folder(site))
    write_manifest({**manifest, missing: manifest["/pages/1.html"]}, file)
    return file


def test_what_is_wrong_is_said_before_anything_is_asked(tmp_path: Path, https: Target) -> None:
    wrong = run(tmp_path / "a", HTTPS, https, scenario=SCENARIO.replace("think_s", "think") + "tink_s = 1\nx = 2\n")
    assert wrong.status == 2
    assert "users.tink_s: unknown key; did you mean think_s?" in wrong.log
    assert "users.x: unknown key" in wrong.log
    folder = tmp_path / "b"
    with LocustRun(folder, "--headless", *options(folder, https, SCENARIO)) as locust:
        both = ended(folder, locust)
    assert both.status == 2
    assert "say over which protocol: HttpsUser or Http3User" in both.log
    plain = run(tmp_path / "c", HTTPS, Target("http://127.0.0.1:1", https.ca))
    assert plain.status == 2
    assert "say where the server is: --host https://" in plain.log
    assert wrong.results == both.results == plain.results == {}
    assert "Traceback" not in wrong.log + both.log + plain.log


def test_the_shape_ends_the_run(tmp_path: Path, https: Target) -> None:
    """Up to six users in a second, and a second of these."""
    shape = f"{SLOW}\n[load]\nusers = 6\nramp_s = 1\nhold_s = 1\n"
    found = run(tmp_path, HTTPS, https, "--shape", "ramp", scenario=shape)
    assert found.status == 0, found.log
    assert "Shape test updating to 6 users" in found.log
    assert found.results["handshakes"]["TCP + TLS"]["requests"] == 6
    assert found.results["requests"] > 6
