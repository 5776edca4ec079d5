"""Clients that show certificates, and then have their keys in the kernel: their flight is longer, and the count of
records must not be wrong for it, in either version and direction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clients import Choice, ClientFailed, Fetched, s_client
from tests.support.pki import TODAY_TOO, Issued, new_authority, write_pair
from tests.support.server import Server
from tests.support.sized_files import make_sized_files
from tests.support.tls_counters import counting
from tests.support.waiting import wait_until

SIZE_BYTES = 100_000
PATH = f"/{SIZE_BYTES}.bin"
CHOICES = (Choice("1.3", "AES-128-GCM"), Choice("1.3", "CHACHA20-POLY1305"), Choice("1.2", "AES-256-GCM"))
# Certificates that nobody needs, so that the client's flight takes more than one record of 16 KiB.
USELESS_CERTIFICATES = 60


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    make_sized_files(root, (SIZE_BYTES,))
    return root


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the authority, and certificates of alice, of bob with his chain, and of mallory."""
    folder = tmp_path_factory.mktemp("clients")
    authority = new_authority("Clients", days=TODAY_TOO)
    department = authority.issue("Department", authority=True, days=TODAY_TOO, usage=None)
    useless: list[Issued] = [new_authority(f"Useless {number}") for number in range(USELESS_CERTIFICATES)]
    write_pair(folder, "alice", authority.issue_client("alice"))
    write_pair(folder, "bob", department.issue_client("bob", kind="rsa"), department, *useless)
    write_pair(folder, "mallory", new_authority("Strangers", days=TODAY_TOO).issue_client("mallory"))
    (folder / "ca.pem").write_bytes(authority.pem)
    return folder


@pytest.fixture(scope="module", params=["kernel", "openssl"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, root: Path, clients: Path
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    settings = {
        "tls.receive": request.param,
        "tls.client_auth": "required",
        "tls.client_ca": clients / "ca.pem",
        "log.access_log": folder / "access.log",
        "log.access_format": "json",
    }
    with Server(folder, root, tls="kernel", settings=settings) as server:
        yield server


def identity(clients: Path, name: str) -> list[str]:
    """Have s_client show a certificate with the chain in its file."""
    chain = str(clients / f"{name}.pem")
    return ["-cert", chain, "-key", str(clients / f"{name}.key"), "-cert_chain", chain]


def require_file(fetched: Fetched, root: Path) -> None:
    content = (root / PATH.strip("/")).read_bytes()
    for received in fetched.files.values():
        assert received.sha256 == hashlib.sha256(content).hexdigest()


def await_lines(server: Server, path: str, count: int) -> list[dict[str, object]]:
    """Return the lines of the access log for ``path`` once there are so many."""

    def lines() -> list[dict[str, object]]:
        text = (server.folder / "access.log").read_text()
        return [json.loads(line) for line in text.splitlines() if f" {path} " in line]

    wait_until(lambda: len(lines()) >= count, "the access log")
    return lines()


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@pytest.mark.parametrize("name", ["alice", "bob"])
def test_the_kernel_encrypts_for_a_client_with_a_certificate(
    server: Server, root: Path, clients: Path, choice: Choice, name: str
) -> None:
    path = f"{PATH}?{name}-{choice}"
    with counting() as growth:
        require_file(s_client(server, [path, path, path], choice, identity(clients, name)), root)
    assert growth["TlsTxSw"] == 1
    assert growth["TlsDecryptError"] == 0
    for line in await_lines(server, path, 3):
        assert (line["tls_path"], line["tls_subject"]) == ("kernel", f"CN={name}")


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_resumed_session_has_its_subject(
    server: Server, root: Path, clients: Path, choice: Choice, tmp_path: Path
) -> None:
    """Its tickets hold the certificate, and their number is another again."""
    session = tmp_path / "session.pem"
    require_file(s_client(server, [PATH], choice, [*identity(clients, "alice"), "-sess_out", str(session)]), root)
    path = f"{PATH}?resumed-{choice}"
    with counting() as growth:
        require_file(s_client(server, [path, path], choice, ["-sess_in", str(session)]), root)
    assert growth["TlsTxSw"] == 1
    assert growth["TlsDecryptError"] == 0
    for line in await_lines(server, path, 2):
        assert (line["tls_path"], line["tls_resumed"], line["tls_subject"]) == ("kernel", True, "CN=alice")


@pytest.mark.parametrize("choice", CHOICES[1:], ids=str)
@pytest.mark.parametrize("name", ["mallory", ""])
def test_nobody_else_gets_as_far_as_the_kernel(server: Server, clients: Path, choice: Choice, name: str) -> None:
    with counting() as growth, pytest.raises(ClientFailed):
        s_client(server, [PATH], choice, identity(clients, name) if name else [])
    assert growth["TlsTxSw"] == 0
