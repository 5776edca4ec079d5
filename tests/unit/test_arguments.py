from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.arguments import check_parser, doctor_parser, healthcheck_parser, said_by, serve_parser
from ktlsserve.config import Config
from ktlsserve.config.file import load_config
from ktlsserve.errors import UsageError


def overrides(*arguments: str) -> dict[str, object]:
    return said_by(serve_parser().parse(arguments)).overrides()


def complaint(*arguments: str) -> str:
    with pytest.raises(UsageError) as raised:
        overrides(*arguments)
    return str(raised.value).splitlines()[0]


def test_only_what_is_said_overrides() -> None:
    assert overrides() == {}
    assert overrides("/srv") == {"server.root": "/srv"}


def test_everything_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = overrides(
        *("site", "--listen", "127.0.0.1:0", "--listen", "[::1]:8443", "--workers", "3", "--tls", "kernel"),
        *("--cert", "a.pem", "--key", "a.key", "--key", "/b.key", "--cert", "/b.pem"),
        *("--admin", "127.0.0.1:9000", "--admin", "[::1]:9000"),
        *("--access-log", "access.log", "--log-level", "debug", "--log-format", "json"),
        *("--proxy-protocol", "192.0.2.0/24", "--proxy-protocol", "::1"),
        *("--user", "www-data"),
    )
    assert said == {
        "server.root": f"{tmp_path}/site",
        "server.listen": ["127.0.0.1:0", "[::1]:8443"],
        "server.proxy_protocol": ["192.0.2.0/24", "::1"],
        "server.workers": 3,
        "server.user": "www-data",
        "admin.listen": ["127.0.0.1:9000", "[::1]:9000"],
        "tls.mode": "kernel",
        "tls.certificates": [
            {"cert": f"{tmp_path}/a.pem", "key": f"{tmp_path}/a.key"},
            {"cert": "/b.pem", "key": "/b.key"},
        ],
        "log.access_log": f"{tmp_path}/access.log",
        "log.level": "debug",
        "log.format": "json",
    }
    assert load_config(None, said).tls.mode == "kernel"


def test_what_says_the_defaults_is_the_defaults() -> None:
    said = overrides(
        *("/", "--listen", "127.0.0.1:8443", "--workers", "auto", "--tls", "auto", "--access-log", "off"),
        *("--log-level", "info", "--log-format", "text"),
    )
    config = load_config(None, said)
    assert config.server.root == Path("/")
    assert (config.tls, config.log, config.server.listen) == (Config().tls, Config().log, Config().server.listen)


@pytest.mark.parametrize(("word", "value"), [("off", "off"), ("-", "-"), ("./off", None)])
def test_the_access_log_may_be_a_word(word: str, value: str | None) -> None:
    assert overrides("--access-log", word)["log.access_log"] == (value or str(Path.cwd() / "off"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b"], "unexpected argument: b"),
        (["--frobnicate"], "unknown option: --frobnicate"),
        (["--tsl=off", "a"], "unknown option: --tsl; did you mean --tls?"),
        (["--work", "3"], "unknown option: --work; did you mean --workers?"),
        (["--tls"], "argument --tls: expected one argument"),
        (["--tls", "no"], "argument --tls: invalid choice: 'no' (choose from"),
        (["--listen", "8443"], "argument --listen: '8443' must end in a port"),
        (["--workers", "0"], 'argument --workers: must be "auto" or a whole number from 1 to 1024, not 0'),
        (["--workers", "-1"], "argument --workers: "),
        (["--workers", "two"], 'argument --workers: must be "auto" or a whole number from 1 to 1024, not "two"'),
        (["--proxy-protocol", "lb.example.org"], "argument --proxy-protocol: 'lb.example.org' is no network: write"),
        (["--proxy-protocol", "192.0.2.1/24"], "argument --proxy-protocol: '192.0.2.1/24' has bits behind its prefix"),
        (["--cert", "a"], "each certificate has its key: --cert was given 1, --key was given 0"),
        (["--key", "a"], "each certificate has its key: --cert was given 0, --key was given 1"),
        ([""], "argument ROOT: is empty"),
        (["--config", ""], "argument --config: is empty"),
        (["--access-log", ""], "argument --access-log: is empty"),
        (["--log-level", "loud"], "argument --log-level: invalid choice: 'loud'"),
    ],
)
def test_a_wrong_argument_is_named(arguments: list[str], message: str) -> None:
    assert complaint(*arguments).startswith(message)


def test_a_usage_error_says_where_help_is() -> None:
    with pytest.raises(UsageError, match="try 'ktlsserve doctor --help'"):
        doctor_parser().parse(["--jsn"])


def test_help_fits_a_terminal() -> None:
    for parser in (serve_parser(), doctor_parser(), check_parser(), healthcheck_parser()):
        assert max(len(line) for line in parser.format_help().splitlines()) <= 79


def test_help_names_every_option() -> None:
    text = serve_parser().format_help()
    for option in ("--config", "--listen", "--cert", "--key", "--tls", "--workers", "--access-log", "--log-level"):
        assert f"  {option} " in text
    assert "doctor [--json]" in text
    assert "check FILE" in text
