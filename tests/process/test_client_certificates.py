"""Clients that must show a certificate, or may: with OpenSSL's own client and curl, in both versions."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.clients import VERSIONS, ClientFailed, Fetched, s_client
from tests.support.pki import TODAY_TOO, Issued, new_authority, write_pair
from tests.support.server import Server, toml_document
from tests.support.waiting import LIMIT_S, wait_until

pytestmark = pytest.mark.slow

PATH = "/hello.txt"
EXPIRED_DAYS = (-7300, -7000)


@dataclass(frozen=True)
class Clients:
    """Certificates of clients, each written as ``NAME.pem`` and ``NAME.key``."""

    folder: Path
    authority: Issued
    alice: Issued

    def options(self, name: str) -> list[str]:
        """Have s_client show a certificate; none for the empty name."""
        return ["-cert", str(self.folder / f"{name}.pem"), "-key", str(self.folder / f"{name}.key")] if name else []

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def crl_file(self) -> Path:
        return self.folder / "crl.pem"


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Clients:
    folder = tmp_path_factory.mktemp("clients")
    authority, stranger = (new_authority(name, days=TODAY_TOO) for name in ("Clients", "Strangers"))
    alice = authority.issue_client('Alice "A" \\ ü')
    identities = {
        "alice": alice,
        "late": authority.issue_client("late", days=EXPIRED_DAYS),
        "revoked": authority.issue_client("revoked"),
        "mallory": stranger.issue_client("mallory"),
    }
    for name, identity in identities.items():
        write_pair(folder, name, identity)
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "crl.pem").write_bytes(authority.revoke(identities["revoked"]))
    return Clients(folder, authority, alice)


@pytest.fixture(scope="module", params=["required", "optional"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tree: Path, clients: Clients
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with Server(folder, tree, tls="userspace", settings=settings(folder, clients, request.param)) as running:
        yield running


def settings(folder: Path, clients: Clients, client_auth: str) -> dict[str, object]:
    return {
        "tls.client_auth": client_auth,
        "tls.client_ca": clients.ca_file,
        "tls.client_crl": clients.crl_file,
        "log.access_log": folder / "access.log",
        "log.access_format": "json",
    }


def fetch(server: Server, options: list[str], version: str, path: str = PATH) -> Fetched:
    return s_client(server, [path], None, [f"-tls{version.replace('.', '_')}", *options])


def await_lines(server: Server, count: int, path: str = PATH) -> list[dict[str, object]]:
    """Return the lines of the access log for ``path`` once there are so many."""

    def lines() -> list[dict[str, object]]:
        text = (server.folder / "access.log").read_text()
        return [json.loads(line) for line in text.splitlines() if f" {path} " in line]

    wait_until(lambda: len(lines()) >= count, "the access log")
    return lines()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_subject_is_in_the_access_log(server: Server, clients: Clients, version: str) -> None:
    path = f"{PATH}?{version}"
    fetched = fetch(server, clients.options("alice"), version, path)
    assert fetched.files[path].status == 200
    (line,) = await_lines(server, 1, path)
    assert line["tls_subject"] == clients.alice.certificate.subject.rfc4514_string()
    assert (line["tls_version"], line["tls_path"], line["tls_resumed"]) == (f"TLS {version}", "userspace", False)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("late", r"certificate has expired \(CN=late\)"),
        ("mallory", r"unable to get local issuer certificate \(CN=mallory\)"),
        ("revoked", r"certificate revoked \(CN=revoked\)"),
    ],
)
def test_bad_certificates_are_refused(server: Server, clients: Clients, name: str, reason: str, version: str) -> None:
    mark = server.log_mark()
    with pytest.raises(ClientFailed):
        fetch(server, clients.options(name), version)
    server.wait_for_log(f"handshake failed: client certificate refused: {reason}", since=mark)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_certificate_is_enough_where_it_is_optional(server: Server, version: str) -> None:
    mark = server.log_mark()
    if 'client_auth = "optional"' in server.config_file.read_text():
        assert fetch(server, [], version).files[PATH].status == 200
        return
    with pytest.raises(ClientFailed):
        fetch(server, [], version)
    server.wait_for_log("handshake failed: peer did not return a certificate", since=mark)


def test_curl_shows_its_certificate(server: Server, clients: Clients) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl isn't installed")
    command = ["curl", "--silent", "--show-error", "--cacert", str(server.ca_file), "--max-time", str(LIMIT_S)]
    command += ["--cert", str(clients.folder / "alice.pem"), "--key", str(clients.folder / "alice.key")]
    command += [f"{server.url}{PATH}", f"{server.url}{PATH}"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=2 * LIMIT_S)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_a_resumed_session_has_its_subject(tmp_path: Path, tree: Path, clients: Clients, version: str) -> None:
    session = tmp_path / "session.pem"
    folder = tmp_path / "server"
    folder.mkdir()
    with Server(folder, tree, tls="userspace", workers=2, settings=settings(folder, clients, "required")) as server:
        fetch(server, [*clients.options("alice"), "-sess_out", str(session)], version)
        for _ in range(3):
            # Without the certificate: the ticket is all that it shows.
            fetch(server, ["-sess_in", str(session)], version)
        subject = clients.alice.certificate.subject.rfc4514_string()
        lines = await_lines(server, 4)
        assert [(line["tls_resumed"], line["tls_subject"]) for line in lines] == [(False, subject)] + [
            (True, subject)
        ] * 3


def test_a_reload_takes_a_new_list_and_ends_sessions(tmp_path: Path, tree: Path, clients: Clients) -> None:
    crl_file = tmp_path / "crl.pem"
    crl_file.write_bytes(clients.authority.revoke())
    session = tmp_path / "session.pem"
    folder = tmp_path / "server"
    folder.mkdir()
    changed = {**settings(folder, clients, "required"), "tls.client_crl": crl_file}
    with Server(folder, tree, tls="userspace", settings=changed) as server:
        fetch(server, [*clients.options("alice"), "-sess_out", str(session)], "1.3")
        crl_file.write_bytes(clients.authority.revoke(clients.alice))
        mark = server.log_mark()
        server.send_signal(signal.SIGHUP)
        server.wait_for_log("workers serve with the new configuration", since=mark)
        with pytest.raises(ClientFailed):
            fetch(server, [*clients.options("alice"), "-sess_in", str(session)], "1.3")
        server.wait_for_log("client certificate refused: certificate revoked", since=mark)


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"tls.client_ca": "missing.pem"}, 3, "missing.pem: can't be read: No such file or directory"),
        ({"tls.client_ca": "alice.key"}, 3, "alice.key: no certificate in it"),
        ({"tls.client_ca": "alice.pem"}, 3, "is no authority; name those that sign the certificates of clients"),
        ({"tls.client_crl": "ca.pem"}, 3, "ca.pem: no certificate revocation list in it"),
        ({"tls.client_ca": "off"}, 2, "tls.client_ca: is missing"),
        ({"tls.client_auth": "off"}, 2, "tls.client_ca: is set, but clients aren't asked for certificates"),
        ({"tls.mode": "off"}, 2, "tls.client_auth: asks for certificates, which plain HTTP"),
    ],
)
def test_what_does_not_fit_or_can_not_be_read_is_told_at_the_start(
    clients: Clients, tree: Path, tmp_path: Path, changes: dict[str, str], status: int, message: str
) -> None:
    said = {"server.root": tree, "server.listen": ["127.0.0.1:0"], "tls.mode": "userspace"}
    said |= {"tls.client_auth": "required", "tls.client_ca": "ca.pem", "tls.client_crl": "crl.pem"}
    file = clients.folder / f"{tmp_path.name}.toml"
    file.write_text(toml_document({**said, **changes}))
    done = subprocess.run(
        [sys.executable, "-m", "ktlsserve", "serve", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
    )
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr
    assert message in done.stderr
