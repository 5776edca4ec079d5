from __future__ import annotations

import re
from pathlib import Path

import pytest

from ktlsserve.arguments import said_by, serve_parser
from ktlsserve.config.file import load_config, reload_config
from ktlsserve.environment import OF_OTHERS, read_environment
from ktlsserve.errors import ConfigError, UsageError
from ktlsserve.options import OPTIONS, VARIABLE_PREFIX
from tests.support.server import CHECKOUT


def problems_of(**environ: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        read_environment(environ)
    assert all(line.startswith("environment: KTLSSERVE_") for line in str(raised.value).splitlines())
    return dict(raised.value.problems)


def test_nothing_is_said_by_others() -> None:
    assert read_environment({"PATH": "/bin", "LISTEN": "127.0.0.1:1", "XKTLSSERVE_LISTEN": "x"}).values == {}


def test_every_option_has_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the variables say is what the options say, so that one list of texts does for both."""
    monkeypatch.chdir(tmp_path)
    texts = {
        "root": ["site"],
        "config": ["a.toml"],
        "listen": ["127.0.0.1:0", "[::1]:8443"],
        "proxy_protocol": ["192.0.2.0/24", "::1"],
        "workers": ["3"],
        "user": ["www-data"],
        "cert": ["a.pem", "/b.pem"],
        "key": ["a.key", "/b.key"],
        "tls": ["kernel"],
        "admin": ["127.0.0.1:9000", "[::1]:9000"],
        "access_log": ["access.log"],
        "log_level": ["debug"],
        "log_format": ["json"],
    }
    assert list(texts) == [option.name for option in OPTIONS]
    flags = [word for name, items in texts.items() if name != "root" for item in items for word in (flag(name), item)]
    by_arguments = said_by(serve_parser().parse([*texts["root"], *flags]))
    by_environment = read_environment({f"KTLSSERVE_{name.upper()}": ",".join(items) for name, items in texts.items()})
    assert by_environment.values == by_arguments.values
    assert by_environment.overrides() == by_arguments.overrides()
    assert len(by_environment.overrides()) == len(OPTIONS) - 2


def flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


@pytest.mark.parametrize("text", ["a:1,b:2", "a:1 b:2", " a:1,\n b:2, ", "a:1\tb:2"])
def test_a_list_has_commas_or_spaces(text: str) -> None:
    assert read_environment({"KTLSSERVE_LISTEN": text}).overrides() == {"server.listen": ["a:1", "b:2"]}


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_variable_is_not_set(text: str) -> None:
    environ = {option.variable: text for option in OPTIONS} | {"KTLSSERVE_TYPO": text}
    assert read_environment(environ).overrides() == {}


def test_what_is_wrong_is_named_all_of_it() -> None:
    assert problems_of(
        KTLSSERVE_LISTEN="127.0.0.1:1 127.0.0.1",
        KTLSSERVE_TLS="kernl",
        KTLSSERVE_WORKERS="0",
        KTLSSERVE_PROXY_PROTOCOL="lb.example.org",
    ) == {
        "KTLSSERVE_LISTEN": "'127.0.0.1' must end in a port from 0 to 65535, as in 127.0.0.1:8443",
        "KTLSSERVE_PROXY_PROTOCOL": (
            "'lb.example.org' is no network: write 192.0.2.0/24, 2001:db8::/32 or a single address"
        ),
        "KTLSSERVE_TLS": "must be auto, kernel, userspace or off, not 'kernl'",
        "KTLSSERVE_WORKERS": 'must be "auto" or a whole number from 1 to 1024, not 0',
    }


def test_a_typo_is_noticed() -> None:
    found = problems_of(KTLSSERVE_CRET="a.pem", KTLSSERVE_PORT="443", KTLSSERVE_ADMIN_PORT="9000", KTLSSERVE_="x")
    assert found["KTLSSERVE_CRET"] == "means nothing here; did you mean KTLSSERVE_CERT?"
    assert found["KTLSSERVE_PORT"].startswith("means nothing here; ")
    assert found["KTLSSERVE_ADMIN_PORT"].startswith("means nothing here; ")
    assert "known are KTLSSERVE_ROOT, KTLSSERVE_CONFIG, " in found["KTLSSERVE_"]
    assert found["KTLSSERVE_"].endswith("all else stands in a file, which KTLSSERVE_CONFIG may name")


def test_what_kubernetes_says_of_a_service_is_nobodys_typo() -> None:
    """A service called ktlsserve, and one called ktlsserve-admin, in a pod without enableServiceLinks: false."""
    ports = {
        f"KTLSSERVE{name}{key}": value
        for name in ("", "_ADMIN")
        for key, value in {
            "_SERVICE_HOST": "10.0.0.11",
            "_SERVICE_PORT": "443",
            "_SERVICE_PORT_HTTPS": "443",
            "_PORT": "tcp://10.0.0.11:443",
            "_PORT_443_TCP": "tcp://10.0.0.11:443",
            "_PORT_443_TCP_PROTO": "tcp",
            "_PORT_443_TCP_PORT": "443",
            "_PORT_443_TCP_ADDR": "10.0.0.11",
        }.items()
    }
    assert read_environment(ports).values == {}


def test_what_the_tests_and_the_server_itself_use_is_let_through() -> None:
    """Every name of the prefix in the tests is theirs, an option's, or made to be wrong."""
    assert read_environment(dict.fromkeys(OF_OTHERS, "x")).values == {}
    folders = (CHECKOUT / "tests", CHECKOUT / "loadtests")
    own = {path for folder in folders for path in folder.rglob("*.py") if "environ" not in path.name}
    own -= {CHECKOUT / "tests" / "unit" / "test_options.py"}
    files = [*own, CHECKOUT / "Makefile", CHECKOUT / ".ci" / "run", CHECKOUT / "ktlsserve/supervisor/inherited.py"]
    found = {name for file in files for name in re.findall(r"\bKTLSSERVE_[A-Z_]+", file.read_text(encoding="utf-8"))}
    assert {"KTLSSERVE_CACHE", "KTLSSERVE_REQUIRE_KTLS", "KTLSSERVE_UPGRADE"} <= found
    assert found - {option.variable for option in OPTIONS} - {VARIABLE_PREFIX} <= OF_OTHERS


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    text = f'[server]\nroot = "{tmp_path}"\nworkers = 1\nlisten = ["127.0.0.1:1"]\n[log]\nlevel = "error"\n'
    file.write_text(text)
    environment = read_environment({"KTLSSERVE_WORKERS": "2", "KTLSSERVE_LISTEN": "127.0.0.1:2 127.0.0.2:2"})
    said = said_by(serve_parser().parse(["--workers", "3"])).over(environment)
    config = load_config(file, said.overrides(), said.sources())
    again = reload_config(config)
    for each in (config, again):
        assert each.server.workers == 3
        assert [str(address) for address in each.server.listen] == ["127.0.0.1:2", "127.0.0.2:2"]
        assert each.log.level == "error"


def test_what_only_the_configuration_finds_wrong_names_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[server]\nroot = "."\nlisten = ["127.0.0.1:1", "127.0.0.1:1"]\n')
    environment = read_environment({"KTLSSERVE_LISTEN": "127.0.0.1:2,127.0.0.1:2"})
    said = said_by(serve_parser().parse(["--admin", "127.0.0.1:3", "--admin", "127.0.0.1:3"])).over(environment)
    with pytest.raises(ConfigError) as raised:
        load_config(file, said.overrides(), said.sources())
    assert dict(raised.value.problems) == {
        "server.listen[1]": '"127.0.0.1:2" is in the list twice (KTLSSERVE_LISTEN)',
        "admin.listen[1]": '"127.0.0.1:3" is in the list twice (--admin)',
    }


def test_certificates_and_keys_must_pair_up_wherever_they_come_from() -> None:
    environment = read_environment({"KTLSSERVE_CERT": "a.pem b.pem", "KTLSSERVE_KEY": "a.key b.key"})
    said = said_by(serve_parser().parse(["--key", "c.key"])).over(environment)
    with pytest.raises(UsageError, match=r"its key: KTLSSERVE_CERT was given 2, --key was given 1$"):
        said.overrides()
    pairs = environment.overrides()["tls.certificates"]
    here = Path.cwd()
    assert pairs == [{"cert": f"{here}/{name}.pem", "key": f"{here}/{name}.key"} for name in "ab"]
    assert environment.sources() == {"tls.certificates": "KTLSSERVE_CERT"}
