from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.baselines import BASELINES, FetchFailed, debian
from loadtests.bench.errors import SetupError
from loadtests.compare import __main__ as compare
from loadtests.compare import namespace


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without nginx and with an empty cache."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KTLSSERVE_CACHE", str(tmp_path))
    monkeypatch.setattr("loadtests.baselines.nginx_h3.find", lambda _: None)


def refuse() -> None:
    raise SetupError("this is as far as it goes here")


def test_what_is_missing_is_named_with_its_cure(absent: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["--list", "--server", "nginx-h3-gso,aioquic"]) == 0
    missing, present = capsys.readouterr().out.splitlines()
    assert missing.startswith("nginx-h3-gso: nginx with HTTP/3 isn't installed: apt-get install nginx")
    assert present == "aioquic: present"


def test_everything_that_is_fetched_is_a_baseline() -> None:
    assert set(compare.FETCHED) <= BASELINES.keys()


@pytest.mark.parametrize(
    ("arguments", "fetches"),
    [(["--server", "nginx-h3"], 1), (["--server", "nginx-h3", "--no-fetch"], 0), (["--server", "aioquic"], 0)],
)
def test_nginx_is_fetched_only_where_it_is_wanted_and_missing(
    absent: None, monkeypatch: pytest.MonkeyPatch, arguments: list[str], fetches: int
) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(debian, "fetch", lambda: fetched.append("nginx"))
    monkeypatch.setattr(namespace, "enter", refuse)
    assert compare.main(arguments) == 2
    assert len(fetched) == fetches


def test_without_a_network_it_stays_missing(
    absent: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise FetchFailed("nginx of Debian trixie: no network")

    monkeypatch.setattr(debian, "fetch", fail)
    monkeypatch.setattr(namespace, "enter", refuse)
    assert compare.main(["--server", "nginx-h3"]) == 2
    said = capsys.readouterr().err
    assert "nginx of Debian trixie: no network" in said
    assert "this is as far as it goes here" in said


def test_inside_nothing_is_fetched_and_who_is_missing_is_named(
    absent: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mtus: list[int] = []
    monkeypatch.setattr(debian, "fetch", lambda: pytest.fail("there is no network"))
    monkeypatch.setattr(namespace, "inside", lambda: True)
    monkeypatch.setattr(namespace, "set_mtu", mtus.append)
    assert compare.main(["--server", "nginx-h3", "--mtu", "1400"]) == 2
    said = capsys.readouterr().err
    assert "not measured: nginx-h3: nginx with HTTP/3 isn't installed" in said
    assert "none of the servers is here" in said
    assert mtus == [1400]
