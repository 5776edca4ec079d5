from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ktlsserve.config import Config
from ktlsserve.config.checks import Problem
from ktlsserve.config.file import parse_config
from ktlsserve.config.named import check_file, check_named
from ktlsserve.errors import ConfigError
from tests.support.pki import NOW, new_authority, write_pair

LONG_AFTER = datetime(2040, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "www").mkdir()
    (tmp_path / "tls").mkdir()
    write_pair(tmp_path / "tls", "a", new_authority().issue("leaf", ["a.example"]))
    return tmp_path


def config_in(folder: Path, text: str) -> Config:
    return parse_config(text, folder=folder)


def found(folder: Path, text: str) -> list[Problem]:
    problems, _ = check_named(config_in(folder, text), NOW)
    return [(key, message.replace(f"{folder}/", "")) for key, message in problems]


WHOLE = """
[server]
root = "www"
[[tls.certificates]]
cert = "tls/a.pem"
key = "tls/a.key"
[log]
access_log = "access.log"
"""


def test_nothing_is_wrong_with_what_is_there(folder: Path) -> None:
    assert check_named(config_in(folder, WHOLE), NOW) == ([], [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('server.root = "none"', ("server.root", "no such folder: none")),
        ('server.root = "tls/a.key"', ("server.root", "is not a folder: tls/a.key")),
        ('log.access_log = "none/x"', ("log.access_log", "no such folder: none")),
        ('log.access_log = "www"', ("log.access_log", "is a folder: www")),
        ('server.pid_file = "none/x"', ("server.pid_file", "no such folder: none")),
        ('server.pid_file = "www"', ("server.pid_file", "is a folder: www")),
    ],
)
def test_what_is_missing_is_a_problem(folder: Path, text: str, problem: Problem) -> None:
    assert found(folder, text) == [problem]


@pytest.mark.parametrize("setting", ["server.root", "log.access_log", "server.pid_file"])
def test_what_may_not_be_opened_is_a_problem(folder: Path, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root, who runs tests in containers, may open everything.
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert [key for key, _ in found(folder, f'{setting} = "{"www" if setting == "server.root" else "x.log"}"')] == [
        setting
    ]


def test_every_certificate_is_tried(folder: Path) -> None:
    write_pair(folder / "tls", "b", new_authority().issue("leaf", ["b.example"]))
    files = [
        ("none.pem", "a.key"),
        ("a.pem", "none.key"),
        ("a.pem", "b.key"),
        ("none.pem", "none.key"),
        ("b.pem", "b.key"),
    ]
    entries = [f'[[tls.certificates]]\ncert = "tls/{cert}"\nkey = "tls/{key}"\n' for cert, key in files]
    assert found(folder, "".join(entries)) == [
        ("tls.certificates[0].cert", "tls/none.pem: can't be read: No such file or directory"),
        ("tls.certificates[1].key", "tls/none.key: can't be read: No such file or directory"),
        ("tls.certificates[2].key", "tls/b.key: the key isn't that of the certificate in tls/a.pem (CN=leaf)"),
        ("tls.certificates[3].cert", "tls/none.pem: can't be read: No such file or directory"),
        ("tls.certificates[3].key", "tls/none.key: can't be read: No such file or directory"),
    ]


def test_without_tls_certificates_do_not_matter(folder: Path) -> None:
    text = '[tls]\nmode = "off"\n[[tls.certificates]]\ncert = "none"\nkey = "none"\n'
    assert found(folder, text) == []


def test_what_clients_would_refuse_is_a_warning(folder: Path) -> None:
    problems, warnings = check_named(config_in(folder, WHOLE), LONG_AFTER)
    assert problems == []
    assert [warning.partition(": ")[2] for warning in warnings] == [
        "certificate CN=leaf expired on 2030-09-13 12:00 UTC"
    ]


def test_a_certificate_that_nobody_gets_is_a_warning(folder: Path) -> None:
    write_pair(folder / "tls", "again", new_authority().issue("leaf", ["a.example"]))
    text = WHOLE + '[[tls.certificates]]\ncert = "tls/again.pem"\nkey = "tls/again.key"\n'
    _, warnings = check_named(config_in(folder, text), NOW)
    assert [warning.replace(f"{folder}/", "") for warning in warnings] == [
        "tls/again.pem: is never used: those before it serve all its names"
    ]


def test_a_key_that_could_be_downloaded_is_a_warning(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "tls")
    for root, warned in [("www", False), (".", True), ("tls", True), ("link", True)]:
        _, warnings = check_named(config_in(folder, WHOLE.replace('"www"', f'"{root}"')), NOW)
        message = "tls.certificates[0].key lies beneath a folder that is served"
        assert any(message in warning for warning in warnings) is warned


def test_keys_of_tickets_are_read_too(folder: Path) -> None:
    for name, data, mode in (
        ("good", bytes(range(80)), 0o600),
        ("open", bytes(range(1, 81)), 0o644),
        ("odd", b"x", 0o600),
        ("same", bytes(range(80)), 0o600),
    ):
        (folder / "tls" / name).write_bytes(data)
        (folder / "tls" / name).chmod(mode)
    text = WHOLE.replace("[[tls", '[tls]\nticket_keys = ["tls/good", "tls/open", "tls/odd", "tls/none"]\n[[tls')
    problems = found(folder, text)
    assert [key_path for key_path, _ in problems] == [f"tls.ticket_keys[{position}]" for position in (1, 2, 3)]
    starts = (
        "tls/open: everybody",
        "tls/odd: a ticket key has 80 or 48 bytes",
        "tls/none: can't be read: No such file",
    )
    assert all(message.startswith(start) for (_, message), start in zip(problems, starts, strict=True))
    twice = WHOLE.replace("[[tls", '[tls]\nticket_keys = ["tls/good", "tls/same"]\n[[tls')
    ((key_path, message),) = found(folder, twice)
    assert key_path == "tls.ticket_keys"
    assert message.startswith("tls/same: begins like tls/good")
    _, warnings = check_named(config_in(folder, twice.replace('"www"', '"tls"').replace(', "tls/same"', "")), NOW)
    assert any("tls.ticket_keys[0] lies beneath a folder that is served" in warning for warning in warnings)


def test_a_file_that_names_no_root_gets_a_hint(folder: Path) -> None:
    (folder / "site.toml").write_text("")
    assert check_file(folder / "site.toml") == ["server.root isn't set: serve needs ROOT on the command line, too"]


def test_who_doesnt_exist_is_a_problem(folder: Path) -> None:
    text = WHOLE.replace("[server]", '[server]\nuser = "daemon"')
    assert found(folder, text) == []
    text = text.replace("daemon", "no-such-user")
    assert found(folder, text) == [
        ("server.user", "there is no user 'no-such-user'; create it, or set server.user to another")
    ]


def test_problems_come_with_file_key_and_line(folder: Path) -> None:
    file = folder / "site.toml"
    file.write_text(WHOLE.replace("tls/a.key", "none"))
    with pytest.raises(ConfigError) as raised:
        check_file(file)
    assert str(raised.value) == (
        f"{file}: tls.certificates[0].key: {folder}/none: can't be read: No such file or directory (line 6)"
    )


def with_clients(*settings: str) -> str:
    """Return settings that ask clients for certificates."""
    return "\n".join(['[tls]\nclient_auth = "required"\nclient_ca = "tls/ca.pem"', *settings])


def test_whose_certificates_clients_show_is_looked_at(folder: Path) -> None:
    root = new_authority("Clients", days=(-10, 3650))
    (folder / "tls" / "ca.pem").write_bytes(root.pem)
    (folder / "tls" / "crl.pem").write_bytes(root.revoke())
    text = with_clients('client_crl = "tls/crl.pem"')
    assert check_named(config_in(folder, f"server.root = 'www'\n{text}"), NOW) == ([], [])
    _, warnings = check_named(config_in(folder, f"server.root = 'www'\n{text}"), LONG_AFTER.replace(year=2060))
    assert [warning[:40] for warning in warnings] == [
        "tls.client_ca: CN=Clients expired on 204",
        "tls.client_crl: the list of CN=Clients e",
    ]


def test_what_can_not_be_read_of_them_is_a_problem(folder: Path) -> None:
    (folder / "tls" / "ca.pem").write_bytes(b"nothing")
    hint = "it must be PEM (lines between -----BEGIN ... and -----END ...)"
    assert found(folder, with_clients('client_crl = "tls/none.pem"')) == [
        ("tls.client_ca", f"tls/ca.pem: no certificate in it; {hint}"),
        ("tls.client_crl", "tls/none.pem: can't be read: No such file or directory"),
    ]
