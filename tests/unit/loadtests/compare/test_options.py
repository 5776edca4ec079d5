from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.baselines import BASELINES
from loadtests.compare.options import KERNEL_ROW, parse_options


def test_everything_is_measured_at_the_mtu_of_ethernet() -> None:
    options = parse_options([])
    assert options.servers == tuple(BASELINES)
    assert options.mtus == (1500,)
    assert options.scenarios == ("large", "small")
    assert (options.rounds, options.duration_s, options.kernel) == (5, 5, "host")


def test_a_quick_look_has_the_fair_baselines() -> None:
    options = parse_options(["--quick"])
    assert {"ktlsserve", "nginx-tls", "aioquic", "qh3"} <= set(options.servers)
    assert not any(name.startswith("caddy") for name in options.servers)
    assert (options.rounds, options.duration_s) == (2, 2)


def test_what_is_said_goes_before_a_quick_look() -> None:
    options = parse_options(["--quick", "--repeats", "4", "--duration", "1", "--out", "there"])
    assert (options.rounds, options.duration_s, options.out) == (4, 1, Path("there"))


def test_servers_once_each_in_the_order_given() -> None:
    options = parse_options(["--server", "qh3,ktlsserve", "--server", "qh3", "--server", "aioquic"])
    assert options.servers == ("qh3", "ktlsserve", "aioquic")


@pytest.mark.parametrize(
    ("mtu", "expected"), [("both", (1500, 65536)), ("65536", (65536,)), ("9000,1500,9000", (9000, 1500))]
)
def test_mtus(mtu: str, expected: tuple[int, ...]) -> None:
    assert parse_options(["--mtu", mtu]).mtus == expected


@pytest.mark.parametrize(
    ("kernel", "on_host", "in_guest"),
    [("host", True, False), ("guest", False, True), ("both", True, True), ("none", False, False)],
)
def test_where_kernel_tls_is_measured(kernel: str, on_host: bool, in_guest: bool) -> None:
    options = parse_options(["--kernel", kernel])
    assert (KERNEL_ROW in options.on_host) is on_host
    assert options.in_guest is in_guest
    assert "ktlsserve" in options.on_host


def test_what_is_missing_is_fetched_unless_that_is_unwanted() -> None:
    assert parse_options([]).fetch
    assert not parse_options(["--no-fetch"]).fetch


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--server", "apache"], "there is no 'apache'"),
        (["--scenario", "huge"], "there is no 'huge'"),
        (["--mtu", "1279"], "from 1280 to 65536"),
        (["--mtu", "1500,70000"], "from 1280 to 65536"),
        (["--repeats", "0"], "at least 1"),
    ],
)
def test_a_mistake_is_said(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options(arguments)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err
