"""What a confined process can still do, in children of this one; the whole server is in tests/process."""

from __future__ import annotations

import os
import resource
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ktlsserve.config import ConfineMode
from ktlsserve.errors import RootError, StartupError
from ktlsserve.files.root import Root
from ktlsserve.kernel.inotify import ChangeNotices
from ktlsserve.kernel.landlock import landlock_abi
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.privileges import CAP_DAC_READ_SEARCH, CAP_SETUID, is_dumpable, limit_capabilities
from ktlsserve.worker import confinement
from ktlsserve.worker.confinement import Confinement, InForce
from ktlsserve.worker.identity import Identity
from tests.support.forked import OK, attempt, in_child

ABI = landlock_abi()
NOBODY = Identity("nobody", 65534, 65534, ())

needs_root = pytest.mark.skipif(not Machine().has_capability(CAP_SETUID), reason="this process has no CAP_SETUID")
needs_scopes = pytest.mark.skipif(ABI < 6, reason=f"landlock ABI {ABI}: 6 is asked for")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Root]:
    """A folder that everybody may read, however private the one that it lies in; beside it, a key."""
    folder = tmp_path / "site"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "page").write_text("page")
    folder.chmod(0o755)
    (tmp_path / "server.key").write_text("secret")
    with Root(folder) as root:
        yield root


def all_attempts(key: Path, root: Root) -> dict[str, str]:
    def open_page() -> None:
        root.open(b"below/page").release()

    def notice() -> None:
        notices = ChangeNotices()
        path = root.descriptor_path()
        assert notices.watch(path)
        assert notices.watch(path + b"/below/page")
        notices.close()

    def connect() -> None:
        with socket.socket() as sock:
            sock.connect(("127.0.0.1", 9))

    actions: dict[str, Callable[[], object]] = {
        "read the root": open_page,
        "watch the root": notice,
        "list the root": lambda: os.scandir(root.open(b"below").fd).close(),
        "read the key": key.read_bytes,
        "read /etc/passwd": Path("/etc/passwd").read_bytes,
        "bind": lambda: socket.create_server(("127.0.0.1", 0)),
        "connect": connect,
        "execute": lambda: subprocess.run(["/bin/true"], check=True),
        "signal its parent": lambda: os.kill(os.getppid(), 0),
        "become root": lambda: os.setresuid(-1, 0, -1),
        "write a file": lambda: Path("/tmp/written").write_bytes(b""),
    }
    return {name: attempt(action) for name, action in actions.items()}


@needs_scopes
@needs_root
def test_a_confined_process_reads_its_root_and_can_do_nothing_else(site: Root, tmp_path: Path) -> None:
    def child() -> tuple[InForce, dict[str, str]]:
        in_force = Confinement("required", NOBODY, ABI).apply((site,))
        return in_force, all_attempts(tmp_path / "server.key", site)

    in_force, ended = in_child(child)
    assert in_force.given_up[:4] == ("user 65534", "capabilities none", "no new privileges", "not dumpable")
    assert in_force.given_up[4].startswith(f"landlock ABI {ABI}: files, TCP, ")
    assert ended == {
        "read the root": OK,
        "watch the root": OK,
        "list the root": OK,
        "read the key": "EACCES",
        "read /etc/passwd": "EACCES",
        "bind": "EACCES",
        "connect": "EACCES",
        "execute": "EACCES",
        "signal its parent": "EPERM",
        "become root": "EPERM",
        "write a file": "EACCES",
    }


@needs_scopes
def test_landlock_does_it_even_to_the_user_who_owns_everything(site: Root, tmp_path: Path) -> None:
    def child() -> dict[str, str]:
        Confinement("required", None, ABI).apply((site,))
        return all_attempts(tmp_path / "server.key", site)

    ended = in_child(child)
    del ended["become root"]
    assert {name for name, end in ended.items() if end == OK} == {"read the root", "watch the root", "list the root"}


@needs_root
def test_without_landlock_the_user_does(site: Root, tmp_path: Path) -> None:
    (tmp_path / "server.key").chmod(0o600)

    def child() -> dict[str, str]:
        Confinement("auto", NOBODY, 0).apply((site,))
        return all_attempts(tmp_path / "server.key", site)

    ended = in_child(child)
    assert (ended["read the root"], ended["watch the root"], ended["read the key"]) == (OK, OK, "EACCES")
    assert ended["become root"] == "EPERM"


def test_what_else_is_given_up() -> None:
    def child() -> tuple[bool, str | None, int]:
        Confinement("required", None, 0).apply(())
        return is_dumpable(), Machine().status_field("NoNewPrivs"), resource.getrlimit(resource.RLIMIT_CORE)[0]

    assert in_child(child) == (False, "1", 0)


def test_with_off_only_the_user_changes() -> None:
    def child() -> tuple[InForce, bool, str]:
        in_force = Confinement("off", None, ABI).apply(())
        return in_force, is_dumpable(), attempt(Path("/etc/passwd").read_bytes)

    assert in_child(child) == (InForce((f"user {os.geteuid()}",)), is_dumpable(), OK)


def test_where_it_is_and_how_it_makes_files_is_no_longer_the_starters() -> None:
    def child() -> tuple[str, int]:
        Confinement().apply(())
        return str(Path.cwd()), os.umask(0)

    assert in_child(child) == ("/", 0o077)


@needs_root
def test_a_worker_of_root_reads_what_root_may_read(site: Root, tmp_path: Path) -> None:
    page = tmp_path / "site" / "below" / "page"
    page.chmod(0o600)
    os.chown(page, 65533, 65533)

    def child() -> tuple[str, str]:
        Confinement("required", None, ABI, ("/proc/self/status",)).apply((site,))
        return attempt(lambda: site.open(b"below/page").release()), Machine().status_field("CapEff") or ""

    assert in_child(child) == (OK, f"{1 << CAP_DAC_READ_SEARCH:016x}")


def test_who_has_no_capabilities_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service manager that left none has often forbidden the call too."""

    def refuse(_kept: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    def child() -> tuple[tuple[str, ...], tuple[str, ...]]:
        if os.geteuid() == 0:
            os.setresuid(65534, 65534, 65534)
        limit_capabilities(0)
        monkeypatch.setattr(confinement, "limit_capabilities", refuse)
        in_force = Confinement("auto", None, 0).apply(())
        return in_force.given_up[1:2], in_force.warnings

    given_up, warnings = in_child(child)
    assert given_up == ("capabilities none",)
    assert [warning for warning in warnings if "capabilities" in warning] == []


@needs_scopes
def test_more_can_stay_readable(site: Root) -> None:
    """As the admin endpoint needs the kernel's counters, and what asks for file systems the mounts."""

    def child(readable: tuple[str, ...]) -> list[str]:
        Confinement("required", None, ABI, (*readable, "/nothing/there")).apply((site,))
        paths = ("/proc/net/dev", "/proc/self/mountinfo", "/etc/passwd")
        return [attempt(Path(path).read_bytes) for path in paths]

    assert in_child(lambda: child(())) == ["EACCES"] * 3
    assert in_child(lambda: child(("/proc/self/net", "/proc/self/mountinfo"))) == [OK, OK, "EACCES"]


@needs_root
def test_a_root_that_the_user_may_not_search_is_told(site: Root, tmp_path: Path) -> None:
    (tmp_path / "site").chmod(0o700)

    def child() -> str:
        try:
            Confinement("auto", NOBODY, ABI).apply((site,))
        except RootError as error:
            return str(error)
        return ""

    assert "user 65534 may not search it" in in_child(child)


def test_a_module_that_is_imported_late_is_found(site: Root) -> None:
    def child() -> str:
        Confinement("auto", None, ABI).apply((site,))
        return attempt(lambda: __import__("this").s)

    if not os.access(Path(os.__file__).parent / "this.py", os.R_OK):
        pytest.skip("this Python has no module this")
    assert in_child(child) == OK


def fail() -> None:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize(("mode", "stays"), [("auto", True), ("required", False)])
def test_what_fails_is_a_warning_or_no_start(
    monkeypatch: pytest.MonkeyPatch, mode: ConfineMode, *, stays: bool
) -> None:
    monkeypatch.setattr(confinement, "forbid_new_privileges", fail)

    def child() -> InForce | str:
        try:
            return Confinement(mode, None, 0).apply(())
        except StartupError as error:
            return str(error)

    found = in_child(child)
    if stays:
        assert isinstance(found, InForce)
        assert "no new privileges" not in found.given_up
        assert found.warnings == ("not confined by no new privileges: Operation not permitted",)
    else:
        assert found == "server.confine = required, but no new privileges failed: Operation not permitted"


@needs_root
def test_code_that_the_user_may_not_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRWXU)
    monkeypatch.setattr(confinement, "CODE_FOLDERS", (str(tmp_path),))

    def child() -> tuple[str, ...]:
        return Confinement("auto", NOBODY, ABI).apply(()).warnings

    assert in_child(child) == (
        f"user 65534 may not read the program's own code in {tmp_path}: install it where everybody may",
    )
