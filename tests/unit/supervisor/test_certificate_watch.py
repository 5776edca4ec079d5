from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from ktlsserve.config import CertificateFiles, Tls
from ktlsserve.supervisor.certificate_watch import INTERVAL_S, CertificateWatch
from tests.support.pki import Issued, new_authority, write_pair

AUTHORITY = new_authority()


def issue() -> Issued:
    return AUTHORITY.issue("server", ["localhost"])


class Watched:
    """A watch and the time, which passes from one look to the next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        cert, key = write_pair(folder, "server", issue())
        self.tls = Tls(certificates=(CertificateFiles(cert, key),))
        self.now_s = 0.0
        self.watch = CertificateWatch(self.tls, self.now_s)

    def look(self) -> bool:
        self.now_s += INTERVAL_S
        return self.watch.look(self.now_s)

    def write(self, issued: Issued, *, only: str = "") -> None:
        """Write files of other inodes, whatever the clock of the file system says."""
        draft = self.folder / "draft"
        draft.mkdir(exist_ok=True)
        for path in write_pair(draft, "server", issued):
            if not only or path.suffix == only:
                path.replace(self.folder / path.name)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_nothing_changes(watched: Watched) -> None:
    assert [watched.look() for _ in range(3)] == [False] * 3


def test_a_change_counts_once_it_has_settled_and_once_only(watched: Watched) -> None:
    watched.write(issue())
    assert [watched.look() for _ in range(4)] == [False, True, False, False]
    watched.write(issue())
    assert [watched.look() for _ in range(3)] == [False, True, False]


def test_keys_of_tickets_are_watched_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "ticket.key"
    file.write_bytes(bytes(range(80)))
    file.chmod(0o600)
    watch = CertificateWatch(Tls(ticket_keys=(file,)), 0.0)
    assert not watch.look(INTERVAL_S)
    file.write_bytes(bytes(range(79)))
    assert [watch.look(turn * INTERVAL_S) for turn in range(2, 5)] == [False] * 3
    assert caplog.text.count("the old ones stay: ") == 1
    assert "this file 79" in caplog.text
    file.write_bytes(bytes(range(1, 81)))
    assert [watch.look(turn * INTERVAL_S) for turn in range(5, 8)] == [False, True, False]
    assert CertificateWatch(Tls(ticket_keys=(file,), reload_changed=False), 0.0).due_s == math.inf


def test_it_is_looked_at_no_more_often_than_that(watched: Watched) -> None:
    watched.write(issue())
    assert not watched.look()
    assert not watched.watch.look(watched.now_s + INTERVAL_S / 2)
    assert watched.look()


def test_half_a_change_is_waited_for_and_told_once(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    renewed = issue()
    watched.write(renewed, only=".pem")
    assert [watched.look() for _ in range(4)] == [False] * 4
    assert caplog.text.count("files of certificates or ticket keys have changed, the old ones stay: ") == 1
    assert "isn't that of the certificate" in caplog.text
    watched.write(renewed, only=".key")
    assert [watched.look() for _ in range(3)] == [False, True, False]


def test_files_that_vanish_for_a_while(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    key = watched.tls.certificates[0].key
    aside = key.with_suffix(".aside")
    key.rename(aside)
    assert [watched.look() for _ in range(3)] == [False] * 3
    assert "the old ones stay" in caplog.text
    # The same as before: nothing to do.
    aside.rename(key)
    assert [watched.look() for _ in range(3)] == [False] * 3


def test_a_link_that_leads_elsewhere(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_pair(tmp_path / name, "server", issue())
    live = tmp_path / "live"
    live.symlink_to("a")
    tls = Tls(certificates=(CertificateFiles(live / "server.pem", live / "server.key"),))
    watch = CertificateWatch(tls, 0.0)
    live.unlink()
    live.symlink_to("b")
    assert [watch.look(INTERVAL_S * number) for number in (1, 2, 3)] == [False, True, False]


@pytest.mark.parametrize("changes", [{"reload_changed": False}, {"mode": "off"}, {"certificates": ()}])
def test_nothing_to_watch(watched: Watched, changes: dict[str, object]) -> None:
    watch = CertificateWatch(replace(watched.tls, **changes), 0.0)  # type: ignore[arg-type]
    assert watch.due_s == math.inf
    watched.write(issue())
    assert [watch.look(INTERVAL_S * number) for number in (1, 2, 3)] == [False] * 3
