from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from ktlsserve.address import Address
from ktlsserve.config import Config, Origin
from ktlsserve.config.checks import WholeNumber
from ktlsserve.config.file import parse_config
from ktlsserve.config.table import Table, check_of, settings
from ktlsserve.errors import ConfigError


def test_the_defaults_publish_nothing_and_encrypt() -> None:
    config = Config()
    assert config.server.listen == (Address("127.0.0.1", 8443),)
    assert config.tls.mode == "auto"
    assert config.log.access_log == "off"


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Config().server.root = Path("/srv")  # type: ignore[misc]


def test_where_it_came_from_makes_no_difference() -> None:
    assert Config(origin=Origin(Path("/etc/site.toml"))) == Config()


WHOLE_NUMBERS = [
    (table_name, name, check)
    for table_name, table_field in settings(Config).items()
    if isinstance(table := check_of(table_field), Table)
    for name, field in settings(table.shape).items()
    if isinstance(check := check_of(field), WholeNumber)
]


def test_all_limits_are_whole_numbers_with_bounds() -> None:
    assert len(WHOLE_NUMBERS) >= 11


@pytest.mark.parametrize(("table", "name", "check"), WHOLE_NUMBERS)
def test_the_bounds_of_a_limit_are_its_last_values(table: str, name: str, check: WholeNumber) -> None:
    # A target is a part of its head, so the two are bound to each other.
    largest_head = "max_head_bytes = 1048576\n" if name == "max_target_bytes" else ""
    smallest_target = "max_target_bytes = 64\n" if name == "max_head_bytes" else ""
    for value in (check.least, check.most - (name == "max_target_bytes")):
        config = parse_config(f"[{table}]\n{largest_head}{smallest_target}{name} = {value}")
        assert getattr(getattr(config, table), name) == value
    for value in (check.least - 1, check.most + 1):
        with pytest.raises(ConfigError, match=f"{table}.{name}: must be a whole number from {check.least}"):
            parse_config(f"[{table}]\n{largest_head}{smallest_target}{name} = {value}")


@pytest.mark.parametrize(("target", "fits"), [(4095, True), (4096, False), (8192, False)])
def test_a_target_is_part_of_its_head(target: int, fits: bool) -> None:
    text = f"[http]\nmax_head_bytes = 4096\nmax_target_bytes = {target}"
    if fits:
        assert parse_config(text).http.max_target_bytes == target
    else:
        with pytest.raises(ConfigError, match=r"http\.max_target_bytes: must be below max_head_bytes \(4096\)"):
            parse_config(text)


@pytest.mark.parametrize(
    "media_type", ["", "text/html", "text/html; charset=utf-8", "text/html;charset=utf-8", "application/vnd.x+json"]
)
def test_media_types_are_what_headers_can_carry(media_type: str) -> None:
    assert parse_config(f'[http.mime]\nx-1 = "{media_type}"').http.mime == {"x-1": media_type}


@pytest.mark.parametrize("header", ["", "x", "nginx/1.0 (like)", "a" * 128])
def test_server_headers_are_printable(header: str) -> None:
    assert parse_config(f'[http]\nserver_header = "{header}"').http.server_header == header


@pytest.mark.parametrize("header", [" x", "x ", "a" * 129, "\\t", "\u00fc"])
def test_other_server_headers_are_refused(header: str) -> None:
    with pytest.raises(ConfigError, match=r"http\.server_header: must be printable ASCII"):
        parse_config(f'[http]\nserver_header = "{header}"')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('client_auth = "required"', "tls.client_ca: is missing: client_auth asks for certificates"),
        ('client_auth = "optional"\nclient_crl = "crl.pem"', "tls.client_ca: is missing"),
        ('client_ca = "ca.pem"', "tls.client_ca: is set, but clients aren't asked for certificates"),
        ('client_crl = "crl.pem"', "tls.client_crl: is set, but clients aren't asked for certificates"),
        (
            'mode = "off"\nclient_auth = "required"\nclient_ca = "ca.pem"',
            r"tls.client_auth: asks for certificates, which plain HTTP \(tls.mode = off\) hasn't",
        ),
    ],
)
def test_who_asks_clients_for_certificates_says_whose(text: str, problem: str) -> None:
    """Above all, nobody who wanted clients to be asked serves them all because of a word that is missing."""
    with pytest.raises(ConfigError, match=problem):
        parse_config(f"[tls]\n{text}")


def test_clients_are_asked_for_certificates_of_somebody() -> None:
    tls = parse_config('[tls]\nclient_auth = "optional"\nclient_ca = "ca.pem"', folder=Path("/etc")).tls
    assert (tls.client_auth, tls.client_ca, tls.client_crl) == ("optional", Path("/etc/ca.pem"), "off")


@pytest.mark.parametrize("account", ["", "www-data", "_ktls", "10001", "Web.1", "host$"])
def test_accounts_are_names_or_numbers(account: str) -> None:
    server = parse_config(f'[server]\nuser = "{account}"\ngroup = "{account}"').server
    assert (server.user, server.group) == (account, account)


@pytest.mark.parametrize("account", ["-x", "a b", "a:b", "\u00fc", "a" * 300])
def test_other_accounts_are_refused(account: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.user: must be the name or number of an account, or empty"):
        parse_config(f'[server]\nuser = "{account}"')


def test_a_group_without_a_user_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"server\.group: needs server\.user"):
        parse_config('[server]\ngroup = "www-data"')
