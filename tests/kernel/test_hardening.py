"""Workers of another user, confined as far as the kernel goes, whose connections the kernel encrypts all the same."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from ktlsserve.doctor.confinement_trial import try_confinement
from ktlsserve.kernel.landlock import confined_by, landlock_abi
from tests.support.server import Server
from tests.support.tls_counters import counting
from tests.support.wire import TlsWire, client_context

NOBODY = 65534
LARGE_BYTES = 1 << 20


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    folder.chmod(0o755)
    (folder / "small").write_bytes(b"small")
    (folder / "large").write_bytes(bytes(LARGE_BYTES))
    return folder


@pytest.fixture(scope="module", params=["kernel", "openssl"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Server]:
    settings = {"tls.receive": request.param, "server.user": "nobody", "server.confine": "required"}
    with Server(tmp_path_factory.mktemp("server"), root, tls="kernel", workers=2, settings=settings) as running:
        yield running


def statuses(server: Server, name: str) -> set[str]:
    """Return a field of /proc/PID/status of all workers (proc_pid_status(5))."""
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in server.worker_pids()]
    return {match[1] for text in texts for match in re.finditer(rf"^{name}:\s*(.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_nobodys_workers_serve_through_the_kernel(server: Server, version: ssl.TLSVersion) -> None:
    """The module is loaded and the layer probed by the supervisor, which may; a worker may no more."""
    context = client_context(server)
    context.minimum_version = context.maximum_version = version
    with counting() as growth, TlsWire(server.address, context) as wire:
        assert wire.get("/small").body == b"small"
        assert wire.get("/large").body == bytes(LARGE_BYTES)
    assert growth["TlsTxSw"] == 1
    assert server.listening()[0].tls == "kernel"
    assert statuses(server, "Uid") == {"\t".join([str(NOBODY)] * 4)}
    assert statuses(server, "CapPrm") == {"0" * 16}
    assert statuses(server, "NoNewPrivs") == {"1"}


def test_the_log_says_what_this_kernel_confines(server: Server) -> None:
    abi = landlock_abi()
    server.wait_for_log(
        rf"confined: user {NOBODY}, capabilities none, no new privileges, not dumpable, "
        rf"landlock ABI {abi}: {', '.join(confined_by(abi))}$"
    )


def test_a_child_tries_it() -> None:
    """What the version promises is refused on this kernel, UDP on those that have it, and the doctor says so."""
    trial = try_confinement()
    assert trial.refused == confined_by(landlock_abi())
    assert not trial.new_privileges
