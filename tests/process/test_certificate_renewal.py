"""Renewed certificates are served without being asked for, once each fits its key, however they get into place."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.support.downloads import HELLO, make_download_root
from tests.support.pki import Issued, new_authority
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.support.wire import TlsWire

pytestmark = pytest.mark.slow

CHANGED = "files of certificates or ticket keys have changed: reloading them"
PROMOTED = "workers serve with the new configuration"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def authority() -> Issued:
    return new_authority()


def issue(authority: Issued) -> Issued:
    return authority.issue("server", ["localhost"], days=(-10_000, 10_000))


def served(server: Server) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with TlsWire(server.address, context) as wire:
        assert wire.get("/hello.txt").body == HELLO
        return ssl.DER_cert_to_PEM_cert(wire.tls.getpeercert(binary_form=True) or b"").encode()


class Live:
    """The folders of an ACME client: ``live`` with symbolic links into ``archive``, as certbot has them."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = folder / "live" / "fullchain.pem", folder / "live" / "privkey.pem"
        self._archive = folder / "archive"
        self._archive.mkdir()
        self.cert.parent.mkdir()
        self._count = 0

    @property
    def settings(self) -> dict[str, object]:
        return {"tls.certificates": [{"cert": str(self.cert), "key": str(self.key)}]}

    def archive(self, issued: Issued) -> tuple[Path, Path]:
        self._count += 1
        cert, key = (self._archive / f"{name}{self._count}.pem" for name in ("fullchain", "privkey"))
        cert.write_bytes(issued.pem)
        key.write_bytes(issued.key_pem)
        return cert, key

    @staticmethod
    def link(link: Path, target: Path) -> None:
        draft = link.with_suffix(".new")
        draft.symlink_to(target)
        draft.replace(link)


def test_links_that_lead_elsewhere_one_after_the_other(tmp_path: Path, root: Path, authority: Issued) -> None:
    live = Live(tmp_path)
    first, second = issue(authority), issue(authority)
    for link, target in zip((live.cert, live.key), live.archive(first), strict=True):
        live.link(link, target)
    with Server(tmp_path / "server", root, tls="userspace", settings=live.settings) as server:
        assert served(server) == first.pem
        cert, key = live.archive(second)
        live.link(live.cert, cert)
        # Half of it is told and waited for.
        server.wait_for_log(
            "files of certificates or ticket keys have changed, the old ones stay: .*isn't that of the certificate"
        )
        assert served(server) == first.pem
        live.link(live.key, key)
        server.wait_for_log(CHANGED)
        wait_until(lambda: served(server) == second.pem, "the new certificate")
        assert server.log().count("the old ones stay") == 1


def test_files_that_are_written_over(tmp_path: Path, root: Path, authority: Issued) -> None:
    first, second = issue(authority), issue(authority)
    live = Live(tmp_path)
    live.cert.write_bytes(first.pem)
    live.key.write_bytes(first.key_pem)
    with Server(tmp_path / "server", root, tls="userspace", settings=live.settings) as server:
        # What else has changed on the disk waits for SIGHUP.
        text = server.config_file.read_text()
        server.config_file.write_text("[server")
        live.cert.write_bytes(b"")
        server.wait_for_log("the old ones stay: .*is empty")
        assert served(server) == first.pem
        live.key.write_bytes(second.key_pem)
        live.cert.write_bytes(second.pem)
        server.wait_for_log(CHANGED)
        server.wait_for_log(PROMOTED)
        wait_until(lambda: served(server) == second.pem, "the new certificate")
        server.config_file.write_text(text)


def test_only_if_it_is_wanted(tmp_path: Path, root: Path, authority: Issued) -> None:
    live = Live(tmp_path)
    for link, target in zip((live.cert, live.key), live.archive(issue(authority)), strict=True):
        live.link(link, target)
    with (
        Server(
            tmp_path / "still",
            root,
            tls="userspace",
            settings={**live.settings, "tls.reload_changed": False},
        ) as still,
        Server(tmp_path / "watching", root, tls="userspace", settings=live.settings) as watching,
    ):
        for link, target in zip((live.cert, live.key), live.archive(issue(authority)), strict=True):
            live.link(link, target)
        watching.wait_for_log(PROMOTED)
        assert CHANGED not in still.log()
