"""Starting: where it listens, what it says on standard output, and what a failure to start looks like."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pki import new_authority, write_pair
from tests.support.server import Server
from tests.support.waiting import LIMIT_S
from tests.support.wire import dialer

pytestmark = pytest.mark.slow

LACKS_WORKERS = """
import sys
from ktlsserve.errors import StartupError
from ktlsserve.supervisor import generation

class Bootless:
    def __init__(self, *_):
        raise StartupError("no boots")

generation.Worker = Bootless
from ktlsserve.cli import main
sys.exit(main())
"""


def failed_start(
    folder: Path, *arguments: str, program: tuple[str, ...] = ("-m", "ktlsserve")
) -> subprocess.CompletedProcess[str]:
    """Start a server that can't, and return what it left behind."""
    return subprocess.run(
        [sys.executable, *program, *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state")},
    )


def require_reason(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    """Require an exit status, silence on standard output, and one message with all the words."""
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr
    (message,) = [line for line in done.stderr.splitlines() if line.startswith("ktlsserve: error: ")]
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_listeners_of_both_families_on_ports_of_the_kernels_choice(tmp_path: Path, tree: Path, tls: str) -> None:
    listen = ["127.0.0.1:0", "[::1]:0", "127.0.0.2:0"]
    with Server(tmp_path / "server", tree, tls=tls, workers=2, listen=listen) as server:
        lines = server.listening()
        assert [line.host for line in lines] == ["127.0.0.1", "[::1]", "127.0.0.2"]
        assert len({line.port for line in lines} - {0}) == 3
        assert {(line.scheme, line.tls, line.workers, line.root) for line in lines} == {
            ("http" if tls == "off" else "https", tls, 2, str(tree))
        }
        for number in range(3):
            with dialer(server, listener=number)() as wire:
                assert wire.get("/hello.txt").body == b"hello, world\n"
    output = server.output()
    assert [line.partition(" on ")[0] for line in output.splitlines()] == ["listening"] * 3
    assert output.endswith("\n")


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        address = f"127.0.0.1:{occupant.getsockname()[1]}"
        done = failed_start(tmp_path, str(tmp_path), "--tls", "off", "--listen", "127.0.0.1:0", "--listen", address)
    require_reason(done, 3, f"can't listen on {address}", "in use", "another port")


def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    # TEST-NET-1 (RFC 5737) is nobody's.
    done = failed_start(tmp_path, str(tmp_path), "--tls", "off", "--listen", "192.0.2.1:0")
    require_reason(done, 3, "can't listen on 192.0.2.1:0", "no interface of this machine has that address")


def test_a_key_that_belongs_to_another_certificate(tmp_path: Path) -> None:
    authority = new_authority()
    certificate, _ = write_pair(tmp_path, "one", authority.issue("one", ["localhost"]))
    _, key = write_pair(tmp_path, "two", authority.issue("two", ["localhost"]))
    done = failed_start(
        tmp_path, str(tmp_path), "--cert", str(certificate), "--key", str(key), "--listen", "127.0.0.1:0"
    )
    require_reason(done, 3, str(key), str(certificate), "isn't that of the certificate")


@pytest.mark.parametrize(("content", "word"), [(None, "can't be read"), (b"", "PEM"), (b"not a key\n", "PEM")])
def test_a_key_that_is_none(tmp_path: Path, content: bytes | None, word: str) -> None:
    certificate, key = write_pair(tmp_path, "one", new_authority().issue("one", ["localhost"]))
    key.unlink()
    if content is None:
        key.mkdir()
    else:
        key.write_bytes(content)
    done = failed_start(
        tmp_path, str(tmp_path), "--cert", str(certificate), "--key", str(key), "--listen", "127.0.0.1:0"
    )
    require_reason(done, 3, str(key), word)


def test_a_missing_root(tmp_path: Path) -> None:
    done = failed_start(tmp_path, str(tmp_path / "nothing"), "--tls", "off", "--listen", "127.0.0.1:0")
    require_reason(done, 2, f"no such folder: {tmp_path / 'nothing'}")


def test_workers_that_cannot_boot_are_not_tried_for_ever(tmp_path: Path) -> None:
    arguments = (str(tmp_path), "--tls", "off", "--workers", "2", "--listen", "127.0.0.1:0")
    done = failed_start(tmp_path, *arguments, program=("-c", LACKS_WORKERS))
    assert (done.returncode, done.stdout) == (3, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("worker can't start: no boots") == 2
    assert done.stderr.count("the server can't start: ") == 1
