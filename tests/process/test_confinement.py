"""What the workers of a running server may still do, seen from outside and asked of themselves."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from ktlsserve.kernel.landlock import landlock_abi
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.privileges import CAP_SETUID
from tests.support.server import Server, toml_document
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.watched_confinement import watched
from tests.support.wire import dialer, request

pytestmark = pytest.mark.slow

ABI = landlock_abi()
NOBODY = 65534
ALL_REFUSED = {
    "read the key": "EACCES",
    "read /etc/passwd": "EACCES",
    "bind": "EACCES",
    "execute": "EACCES",
    "signal the supervisor": "EPERM",
}
PROMOTED = "workers serve with the new configuration"

needs_root = pytest.mark.skipif(not Machine().has_capability(CAP_SETUID), reason="this process has no CAP_SETUID")
needs_scopes = pytest.mark.skipif(ABI < 6, reason=f"landlock ABI {ABI}: 6 is asked for")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that everybody may read, in one that only its owner may pass; beside it, a certificate and its key."""
    folder = tmp_path / "site"
    (folder / "list").mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "list").chmod(0o755)
    (folder / "page.html").write_text("page")
    (folder / "page.html").chmod(0o644)
    (folder / "list" / "link").symlink_to("../page.html")
    with (folder / "large.bin").open("wb") as file:
        file.truncate(1 << 20)
    return folder


def key(folder: Path) -> Path:
    """Return where the server keeps the key that it makes itself."""
    return folder / "server" / "state" / "ktlsserve" / "self-signed.pem"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    """Settings of a server whose users only this user may read; so is the key that it makes itself."""
    users = tmp_path / "users"
    users.write_bytes(b"alice:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)))
    users.chmod(0o600)
    return {
        "log.access_log": str(tmp_path / "access.log"),
        "defaults.listing": True,
        "rule": [{"path": "/list/link", "auth": {"realm": "Staff", "users": str(users)}}],
        # Nothing is seen of a change but by the kernel's notices.
        "files.cache_s": 600.0,
        "server.confine": "required" if ABI else "auto",
    }


@pytest.fixture
def server(tmp_path: Path, site: Path, settings: dict[str, object]) -> Iterator[Server]:
    """A server of root's whose workers are nobody's."""
    program = watched(key(tmp_path))
    with Server(
        tmp_path / "server",
        site,
        tls="userspace",
        workers=2,
        settings={**settings, "server.user": "nobody"},
        program=program,
    ) as started:
        yield started


def attempts(server: Server) -> list[dict[str, str]]:
    """Return what the workers have told of their attempts."""
    return [json.loads(line) for line in re.findall(r"^attempts: (.*)$", server.log(), re.MULTILINE)]


def status(pid: int, name: str) -> str:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{name}:")]
    return line.partition(":")[2].strip()


@needs_root
def test_workers_are_nobody_and_the_supervisor_stays(server: Server) -> None:
    for pid in server.worker_pids():
        assert status(pid, "Uid").split() == [str(NOBODY)] * 4
        assert status(pid, "Gid").split() == [str(NOBODY)] * 4
        assert set(status(pid, "Groups").split()) <= {str(NOBODY)}
        assert {status(pid, f"Cap{kind}") for kind in ("Eff", "Prm", "Inh", "Amb")} == {"0" * 16}
        assert status(pid, "NoNewPrivs") == "1"
        assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
        assert "Max core file size        0 " in Path(f"/proc/{pid}/limits").read_text()
        # Not dumpable: the kernel gives what it shows of the process to root.
        assert Path(f"/proc/{pid}/environ").stat().st_uid == 0
    assert status(server.pid, "Uid").split()[0] == "0"
    assert int(status(server.pid, "CapEff"), 16)


@needs_root
@needs_scopes
def test_a_worker_can_open_nothing_else(server: Server) -> None:
    assert attempts(server) == 2 * [ALL_REFUSED]


@needs_scopes
def test_nor_can_one_whose_user_may_read_it_all(tmp_path: Path, site: Path, settings: dict[str, object]) -> None:
    """Whoever starts the server: the key and the users are that user's own files, and landlock is in between."""
    with Server(
        tmp_path / "server", site, tls="userspace", settings=settings, program=watched(key(tmp_path))
    ) as server:
        assert attempts(server) == [ALL_REFUSED]
        with dialer(server)() as wire:
            assert wire.get("/page.html").body == b"page"
            (site / "page.html").write_text("another page")
            assert wire.get("/page.html").body == b"another page"


@needs_root
def test_it_serves_all_the_same_and_needs_no_module_any_more(server: Server, site: Path, tmp_path: Path) -> None:
    credentials = base64.b64encode(b"alice:secret").decode()
    wrong = base64.b64encode(b"alice:wrong").decode()
    with dialer(server)() as wire:
        assert wire.get("/page.html").body == b"page"
        # The kernel's notices come, through a path in /proc that leads to the folder.
        (site / "page.html").write_text("another page")
        assert wire.get("/page.html").body == b"another page"
        (site / "page.html").unlink()
        assert wire.get("/page.html").status == 404
        (site / "page.html").write_text("a third page")
        assert len(wire.get("/large.bin").body) == 1 << 20
        assert wire.get("/large.bin", "Range: bytes=0-1,5-9").status == 206
        assert wire.get("/list/").status == 200
        assert wire.get("/list/", "Accept: application/json").status == 200
        assert wire.get("/list/link").status == 401
        assert wire.get("/list/link", f"Authorization: Basic {wrong}").status == 401
        assert wire.get("/list/link", f"Authorization: Basic {credentials}").body == b"a third page"
        assert wire.get("/page.html", "Expect: 100-continue", "Content-Length: 5").status in (200, 413, 417)
    with dialer(server)() as wire:
        wire.send(b"no request at all\r\n\r\n")
        assert b"400" in wire.read_to_end()
    with dialer(server)() as wire:
        # An ending that nobody foresees in the order of things.
        wire.send(request("/large.bin"))
        wire.reset()
    wait_until(lambda: (tmp_path / "access.log").read_bytes().count(b"\n") >= 12, "the lines of the access log")
    assert re.findall("late import: .*", server.log()) == []


@needs_root
def test_a_reload_reads_what_only_root_may_read(server: Server) -> None:
    """The key is made anew, and the file of users read again."""
    old = set(server.worker_pids())
    server.ca_file.unlink()
    server.send_signal(signal.SIGHUP)
    server.wait_for_log(PROMOTED)
    wait_until(lambda: not old & set(server.worker_pids()), "the end of the old workers")
    assert {status(pid, "Uid").split()[1] for pid in server.worker_pids()} == {str(NOBODY)}
    with dialer(server)() as wire:
        assert wire.get("/page.html").status == 200
    # And so does a successor of a worker that dies.
    lost = server.worker_pids()[0]
    os.kill(lost, signal.SIGKILL)
    server.wait_for_log(rf"worker {lost} ended: killed by SIGKILL")
    wait_until(lambda: len(set(server.worker_pids()) - {lost}) == 2, "the successor")
    assert {status(pid, "Uid").split()[1] for pid in server.worker_pids()} == {str(NOBODY)}


@needs_root
def test_one_worker_tells_it_once(server: Server) -> None:
    told = re.findall(r"INFO    worker-(\d)\S* \S+: confined: (.*)$", server.log(), re.MULTILINE)
    assert [number for number, _ in told] == ["0"]
    expected = f"user {NOBODY}, capabilities none, no new privileges, not dumpable"
    assert told[0][1].startswith(expected)
    assert (f"landlock ABI {ABI}: files" in told[0][1]) == bool(ABI)


@needs_root
def test_a_folder_behind_a_switched_link_and_one_that_is_moved(server: Server, tmp_path: Path, site: Path) -> None:
    """The rule is for the folder that was opened, wherever it is called what."""
    site.rename(tmp_path / "moved")
    (tmp_path / "site").mkdir(0o755)
    (tmp_path / "site" / "new").write_text("new")
    with dialer(server)() as wire:
        assert wire.get("/page.html").body == b"page"
        assert wire.get("/new").status == 404
    server.send_signal(signal.SIGHUP)
    server.wait_for_log(PROMOTED)
    with dialer(server)() as wire:
        assert wire.get("/new").body == b"new"
        assert wire.get("/page.html").status == 404


def failed_start(folder: Path, settings: dict[str, object]) -> tuple[int, str]:
    (folder / "failing.toml").write_text(toml_document(settings))
    done = subprocess.run(
        [sys.executable, "-m", "ktlsserve", "serve", "--config", str(folder / "failing.toml")],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state")},
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@needs_root
@pytest.mark.parametrize(
    ("additions", "exit_status", "message"),
    [
        ({"server.user": "no-such-user"}, 3, "there is no user 'no-such-user'"),
        ({"server.user": "nobody", "server.group": "no-such-group"}, 3, "there is no group 'no-such-group'"),
        ({"server.group": "nogroup"}, 2, "server.group: needs server.user"),
        ({"server.user": "no such user"}, 2, "must be the name or number of an account"),
        ({"server.user": "nobody", "server.root": ""}, 3, "user 65534 may not search it"),
    ],
)
def test_what_cant_be_is_no_start(
    tmp_path: Path, site: Path, additions: dict[str, object], exit_status: int, message: str
) -> None:
    private = tmp_path / "private"
    private.mkdir(0o700)
    if "server.root" in additions:
        additions = {**additions, "server.root": str(private)}
    base: dict[str, object] = {"server.root": str(site), "server.listen": ["127.0.0.1:0"], "tls.mode": "off"}
    found, said = failed_start(tmp_path, base | {"server.workers": 1} | additions)
    assert found == exit_status, said
    assert message in said


def test_who_may_not_change_the_user_says_so_before_anybody_is_served(tmp_path: Path, site: Path) -> None:
    """As in a container without capabilities, whoever its user is."""
    program = (
        "import sys; from ktlsserve.kernel.privileges import limit_capabilities; limit_capabilities(0); "
        "from ktlsserve.cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(site), "--user", "daemon", "--tls", "off", "--listen", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "may not become daemon; start the server as root" in done.stderr


def test_off_leaves_a_worker_open_to_a_debugger(tmp_path: Path, site: Path) -> None:
    with Server(tmp_path / "server", site, tls="off", settings={"server.confine": "off"}) as server:
        (pid,) = server.worker_pids()
        assert status(pid, "NoNewPrivs") == status(os.getpid(), "NoNewPrivs")
        assert Path(f"/proc/{pid}/fd/1").readlink()
        server.wait_for_log("the workers don't confine themselves, as the configuration says")
