"""config/acme-hook.sh, as certbot and lego run it, and a server that sees what it copied."""

from __future__ import annotations

import grp
import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.pki import new_authority, write_pair
from tests.support.server import CHECKOUT, Server
from tests.support.waiting import LIMIT_S

HOOK = CHECKOUT / "config" / "acme-hook.sh"
NAME = "www.example.org"
PROMOTED = "workers serve with the new configuration"
GROUP = grp.getgrgid(os.getgid()).gr_name


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    told = {"PATH": os.environ["PATH"], "TLS_DIR": str(folder), "TLS_GROUP": GROUP, **environment}
    return subprocess.run([HOOK], env=told, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def told_by(client: str, folder: Path) -> dict[str, str]:
    """Return what a client has in the environment of its hooks, for files that it keeps in ``folder``."""
    if client == "certbot":
        return {"RENEWED_LINEAGE": str(folder / NAME), "RENEWED_DOMAINS": NAME}
    before = {"lego 4": "LEGO_CERT", "lego 5": "LEGO_HOOK_CERT"}[client]
    return {f"{before}_PATH": str(folder / f"{NAME}.crt"), f"{before}_KEY_PATH": str(folder / f"{NAME}.key")}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Return a folder with a certificate and its key where each client has them."""
    folder = tmp_path / "kept"
    (folder / NAME).mkdir(parents=True)
    for certificate, key in (("fullchain.pem", "privkey.pem"), (f"../{NAME}.crt", f"../{NAME}.key")):
        (folder / NAME / certificate).write_text("certificate\n")
        (folder / NAME / key).write_text("key\n")
        (folder / NAME / key).chmod(0o600)
    return folder


@pytest.mark.parametrize("client", ["certbot", "lego 4", "lego 5"])
def test_both_files_are_copied_and_the_key_is_for_the_group(client: str, kept: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    done = run(folder, **told_by(client, kept))
    assert (done.returncode, done.stderr) == (0, "")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {f"{NAME}.pem": 0o644, f"{NAME}.key": 0o640}
    assert (folder / f"{NAME}.key").read_text() == "key\n"
    assert (folder / f"{NAME}.key").group() == GROUP


def test_what_is_missing_is_said_and_nothing_is_left_behind(kept: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    assert "no ACME client" in run(folder).stderr
    (kept / NAME / "privkey.pem").unlink()
    done = run(folder, **told_by("certbot", kept))
    assert done.returncode != 0
    assert "privkey.pem" in done.stderr
    assert run(folder, TLS_GROUP="no-such-group", **told_by("lego 5", kept)).returncode != 0
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_server_serves_what_the_hook_copied_without_a_signal(tmp_path: Path) -> None:
    authority = new_authority()
    kept, folder = tmp_path / "kept", tmp_path / "tls"
    for path in (kept / NAME, folder, tmp_path / "site"):
        path.mkdir(parents=True)
    environment = told_by("certbot", kept)

    def renew() -> None:
        write_pair(kept, NAME, authority.issue(NAME, [NAME, "localhost"]))
        (kept / f"{NAME}.pem").replace(kept / NAME / "fullchain.pem")
        (kept / f"{NAME}.key").replace(kept / NAME / "privkey.pem")
        done = run(folder, **environment)
        assert (done.returncode, done.stderr) == (0, "")

    renew()
    pair = {"cert": str(folder / f"{NAME}.pem"), "key": str(folder / f"{NAME}.key")}
    with Server(tmp_path / "server", tmp_path / "site", settings={"tls.certificates": [pair]}) as server:
        renew()
        server.wait_for_log(PROMOTED)
