"""A kernel without kTLS: what is said about it, and that all clients get the same bytes by OpenSSL, or in clear."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.clients import ALL_CHOICES, DRIVERS, Choice, Received, received
from tests.support.ktls_kernel import missing_kernel_tls
from tests.support.programs import find_program
from tests.support.server import Server
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.slow

# Around a record (16 KiB), around four of them, around a slice (1 MiB), and far beyond any buffer.
SIZES = (0, 1, 16383, 16384, 16385, 65535, 65536, 65537, 1048575, 1048576, 1048577, 16777216)
FEW_SIZES = (0, 1, 16385, 65537)
# gnutls-cli takes a second of processor time for each MiB that it prints.
MOST_FOR_GNUTLS_BYTES = 65537
PROGRAMS = {"curl": "curl", "openssl": "openssl", "gnutls": "gnutls-cli", "node": "node"}
REASON = r"OpenSSL encrypts in userspace, because the kernel can't: (?P<reason>[^;]+); (?P<cure>.+)$"

needs_no_ktls = pytest.mark.skipif(missing_kernel_tls() is None, reason="this kernel has kTLS: nothing falls back")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Received]]:
    """A folder with a file of each size, and what a client should get of each path."""
    root = tmp_path_factory.mktemp("sizes")
    content = random.Random(16).randbytes(max(SIZES))
    for size in SIZES:
        (root / f"{size}.bin").write_bytes(content[:size])
    return root, {f"/{size}.bin": received(200, content[:size]) for size in SIZES}


@pytest.fixture(scope="module", params=["auto", "userspace", "off"])
def server(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    expected: tuple[Path, Mapping[str, Received]],
) -> Iterator[Server]:
    if request.param == "auto" and missing_kernel_tls() is None:
        pytest.skip("this kernel has kTLS: nothing falls back")
    with Server(tmp_path_factory.mktemp("server"), expected[0], tls=request.param) as running:
        yield running


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    if request.param in PROGRAMS:
        find_program(PROGRAMS[request.param])
    return str(request.param)


@needs_no_ktls
@pytest.mark.parametrize("server", ["auto"], indirect=True)
def test_auto_says_once_that_it_falls_back_and_why(server: Server) -> None:
    (line,) = server.listening()
    assert (line.scheme, line.tls) == ("https", "userspace")
    lines = [line for line in server.log().splitlines() if "userspace" in line and "handshak" not in line]
    assert len(lines) == 1
    assert " WARNING " in lines[0]
    said = re.search(REASON, lines[0])
    assert said is not None
    assert len(said["reason"]) > 10
    assert len(said["cure"]) > 10


@pytest.mark.parametrize("server", ["userspace"], indirect=True)
def test_userspace_by_choice_is_no_warning(server: Server) -> None:
    assert [line.tls for line in server.listening()] == ["userspace"]
    # Of TLS, that is: who runs the tests as root is told so.
    assert not re.search(r"WARNING \S+ supervisor\.assembly", server.log())


@pytest.mark.parametrize("server", ["off"], indirect=True)
def test_off_is_plain_http(server: Server) -> None:
    assert [(line.scheme, line.tls) for line in server.listening()] == [("http", "off")]


@needs_no_ktls
def test_kernel_only_refuses_to_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ktlsserve", str(tmp_path), "--tls", "kernel", "--listen", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("ktlsserve: error:")]
    assert re.match(r"ktlsserve: error: the kernel can't encrypt: [^;]{10,}; .{10,}, or use --tls auto$", line)


@pytest.mark.parametrize("server", ["auto", "off"], indirect=True)
def test_files_of_all_sizes(
    server: Server, driver: str, expected: tuple[Path, Mapping[str, Received]], tmp_path: Path
) -> None:
    if server.listening()[0].scheme == "http" and driver in {"openssl", "gnutls"}:
        pytest.skip("a client of TLS only")
    most = MOST_FOR_GNUTLS_BYTES if driver == "gnutls" else max(SIZES)
    files = {path: file for path, file in expected[1].items() if file.size <= most}
    fetched = DRIVERS[driver](server, list(files), tmp_path, None)
    assert fetched.files == files
    assert fetched.connections == 1


@pytest.mark.parametrize("server", ["userspace"], indirect=True)
@pytest.mark.parametrize("choice", ALL_CHOICES, ids=str)
def test_versions_and_ciphers(
    server: Server, driver: str, choice: Choice, expected: tuple[Path, Mapping[str, Received]], tmp_path: Path
) -> None:
    paths = [f"/{size}.bin" for size in FEW_SIZES]
    mark = server.log_mark()
    fetched = DRIVERS[driver](server, paths, tmp_path, choice)
    assert fetched.files == {path: expected[1][path] for path in paths}
    server.wait_for_log(rf"TLS {choice.version} {choice.suite} .* tls=userspace", since=mark)
