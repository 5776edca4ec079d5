from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ktlsserve.kernel import landlock
from ktlsserve.kernel.landlock import SCOPE_ABI, TCP_ABI, UDP_ABI, confined_by, landlock_abi, restrict_to_reading
from ktlsserve.kernel.privileges import forbid_new_privileges
from tests.support.forked import OK, attempt, in_child

ABI = landlock_abi()
needs_landlock = pytest.mark.skipif(ABI == 0, reason="landlock_create_ruleset: this kernel has no landlock")


def needs_abi(least: int) -> pytest.MarkDecorator:
    return pytest.mark.skipif(least > ABI, reason=f"landlock ABI {ABI}: {least} is asked for")


def answering(result: int, number: int = 0) -> Callable[..., int]:
    def syscall(*_: object) -> int:
        ctypes.set_errno(number)
        return result

    return syscall


def test_the_running_kernel_answers_with_a_version_or_none() -> None:
    assert 0 <= landlock_abi() < 100


def test_the_version_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "_syscall", answering(7))
    assert landlock_abi() == 7


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM])
def test_missing_switched_off_and_filtered_are_none(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(landlock, "_syscall", answering(-1, number))
    assert landlock_abi() == 0


def test_other_errors_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "_syscall", answering(-1, errno.EFAULT))
    with pytest.raises(OSError, match="Bad address"):
        landlock_abi()


@pytest.mark.parametrize(
    ("abi", "expected"),
    [
        (0, ()),
        (1, ("files",)),
        (3, ("files",)),
        (4, ("files", "TCP")),
        (6, ("files", "TCP", "signals")),
        (9, ("files", "TCP", "signals")),
        (10, ("files", "TCP", "UDP", "signals")),
    ],
)
def test_what_a_version_confines(abi: int, expected: tuple[str, ...]) -> None:
    assert confined_by(abi) == expected


@pytest.mark.parametrize(
    ("abi", "handled"),
    # As many bits as include/uapi/linux/landlock.h of that version has names.
    [
        (1, (0x1FFF, 0, 0)),
        (2, (0x3FFF, 0, 0)),
        (3, (0x7FFF, 0, 0)),
        (4, (0x7FFF, 3, 0)),
        (5, (0xFFFF, 3, 0)),
        (6, (0xFFFF, 3, 3)),
        (8, (0xFFFF, 3, 3)),
        (9, (0x1FFFF, 3, 3)),
        (10, (0x1FFFF, 15, 3)),
        (99, (0x1FFFF, 15, 3)),
    ],
)
def test_as_much_is_handled_as_the_version_has(
    monkeypatch: pytest.MonkeyPatch, abi: int, handled: tuple[int, int, int]
) -> None:
    asked: list[tuple[int, int, int]] = []

    def create(attr: object, size: ctypes.c_ulong, _flags: object) -> int:
        words = ctypes.cast(attr, ctypes.POINTER(ctypes.c_uint64 * 3)).contents  # type: ignore[arg-type] # a byref
        assert size.value == ctypes.sizeof(words)
        asked.append((words[0], words[1], words[2]))
        return os.open(os.devnull, os.O_RDONLY)

    def syscall(number: ctypes.c_long, *arguments: object) -> int:
        if number.value == landlock.SYS_LANDLOCK_CREATE_RULESET:
            return create(*arguments)  # type: ignore[arg-type] # as it is called
        return 0

    monkeypatch.setattr(landlock, "_syscall", syscall)
    restrict_to_reading((), abi)
    assert asked == [handled]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What may be read, beside what may not."""
    for name in ("allowed", "forbidden"):
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "file").write_text(name)
        (tmp_path / name / "below" / "file").write_text(f"{name} below")
    (tmp_path / "allowed" / "out").symlink_to(tmp_path / "forbidden" / "file")
    return tmp_path


def confined(allowed: Path, actions: dict[str, Callable[[], object]]) -> dict[str, str]:
    """Do ``actions`` in a child that may read ``allowed``, and return how each ended."""

    def child() -> dict[str, str]:
        forbid_new_privileges()
        fd = os.open(allowed, os.O_PATH)
        restrict_to_reading([fd], ABI)
        os.close(fd)
        return {name: attempt(action) for name, action in actions.items()}

    return in_child(child)


@needs_landlock
def test_files_beneath_the_folder_can_be_read_and_nothing_else_done(folder: Path) -> None:
    allowed, forbidden = folder / "allowed", folder / "forbidden"
    ended = confined(
        allowed,
        {
            "read": (allowed / "file").read_text,
            "read below": (allowed / "below" / "file").read_text,
            "list": lambda: list(allowed.iterdir()),
            "read elsewhere": (forbidden / "file").read_text,
            "read what a link leads to": (allowed / "out").read_text,
            "list elsewhere": lambda: list(forbidden.iterdir()),
            "write": lambda: (allowed / "file").write_text("new"),
            "create": lambda: (allowed / "new").write_text("new"),
            "make a folder": (allowed / "new").mkdir,
            "remove": (allowed / "file").unlink,
            "rename": lambda: (allowed / "file").rename(allowed / "other"),
            "link": lambda: (allowed / "link").symlink_to("file"),
            "execute": lambda: subprocess.run(["/bin/true"], check=True),
        },
    )
    allowed_names = {"read", "read below", "list"}
    assert ended == {name: OK if name in allowed_names else "EACCES" for name in ended}
    assert (allowed / "file").read_text() == "allowed"


@needs_landlock
def test_a_rule_for_a_file_allows_that_file(folder: Path) -> None:
    ended = confined(
        folder / "allowed" / "file",
        {
            "itself": (folder / "allowed" / "file").read_text,
            "another": (folder / "allowed" / "below" / "file").read_text,
        },
    )
    assert ended == {"itself": OK, "another": "EACCES"}


@needs_landlock
def test_what_is_mounted_beneath_the_folder_belongs_to_it(folder: Path) -> None:
    mounted = folder / "allowed" / "below"

    def child() -> dict[str, str]:
        # In a mount namespace of its own.
        command = f"mount -t tmpfs none {mounted} && echo there > {mounted}/mounted"
        unshare = ctypes.CDLL(None, use_errno=True).unshare
        assert unshare(0x20000) == 0
        subprocess.run(["sh", "-ec", f"mount --make-rprivate / && {command}"], check=True)
        return confined(folder / "allowed", {"mounted": (mounted / "mounted").read_text})

    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("unshare -m: this user may not make a mount namespace")
    assert in_child(child) == {"mounted": OK}
    assert not (mounted / "mounted").exists()


@needs_landlock
def test_open_files_and_those_moved_in_go_on(folder: Path) -> None:
    with (folder / "forbidden" / "file").open() as held:
        assert confined(folder / "allowed", {"held": held.read}) == {"held": OK}


@needs_abi(TCP_ABI)
def test_no_tcp(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        ended = confined(
            folder,
            {
                "bind": lambda: socket.create_server(("127.0.0.1", 0)),
                "connect": lambda: socket.create_connection(address),
            },
        )
    assert ended == {"bind": "EACCES", "connect": "EACCES"}


@needs_abi(UDP_ABI)
def test_no_udp(folder: Path) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        ended = confined(
            folder,
            {"bind": lambda: sock.bind(("127.0.0.1", 0)), "send": lambda: sock.sendto(b"x", ("127.0.0.1", 9))},
        )
    assert ended == {"bind": "EACCES", "send": "EACCES"}


@needs_abi(SCOPE_ABI)
def test_no_signals_and_no_abstract_sockets_outside(folder: Path) -> None:
    name = f"\0ktlsserve-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        ended = confined(
            folder,
            {
                "signal the parent": lambda: os.kill(os.getppid(), 0),
                "signal itself": lambda: os.kill(os.getpid(), 0),
                "connect": lambda: socket.socket(socket.AF_UNIX).connect(name),
            },
        )
    assert ended == {"signal the parent": "EPERM", "signal itself": OK, "connect": "EPERM"}


@needs_landlock
def test_without_giving_up_new_privileges_an_ordinary_user_may_not(folder: Path) -> None:
    def child() -> str:
        if os.geteuid() == 0:
            os.setresuid(65534, 65534, 65534)
        return attempt(lambda: restrict_to_reading((), ABI))

    assert in_child(child) == "EPERM"
    assert folder.exists()
