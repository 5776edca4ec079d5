from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.baselines import debian, nginx_h3
from loadtests.bench.place import Place
from loadtests.bench.workloads import Mode


@pytest.fixture
def no_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx_h3, "find", lambda program: None)


def _cached(folder: Path) -> Path:
    loader = folder / "usr/lib/any-linux-gnu/ld-linux-any.so.2"
    loader.parent.mkdir(parents=True)
    loader.touch()
    return folder


@pytest.mark.parametrize("gso", [True, False])
def test_the_configuration_is_for_http3_alone(gso: bool) -> None:
    place = Place(Path("/own"), Path("/tree"), Path("/cert"), 8443, Mode.USERSPACE, Path("/key"), "::1")
    text = nginx_h3.configuration(place, gso=gso)
    assert f"quic_gso {'on' if gso else 'off'};" in text
    assert "listen [::1]:8443 quic " in text
    assert text.count("listen") == 1
    assert "root /tree;" in text
    assert "ssl_certificate /cert; ssl_certificate_key /key;" in text
    assert "sendfile off; access_log off;" in text
    assert "worker_processes 1;" in text


def test_an_installed_nginx_counts_if_it_has_http3(tmp_path: Path) -> None:
    modules = {"with": "--with-http_v2_module --with-http_v3_module", "without": "--with-http_v2_module"}
    for name, compiled_in in modules.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho 'configure arguments: {compiled_in} --x' >&2\n")
        program.chmod(0o755)
    assert nginx_h3.has_http3(str(tmp_path / "with"))
    assert not nginx_h3.has_http3(str(tmp_path / "without"))
    assert not nginx_h3.has_http3(str(tmp_path / "nowhere"))


def test_without_one_what_to_do_is_said(no_installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "unpacked", lambda: None)
    said = nginx_h3.missing()
    assert said is not None
    assert "apt-get install nginx" in said
    assert "python -m loadtests.baselines --fetch" in said


def test_the_one_in_the_cache_is_run_by_its_own_loader(
    no_installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _cached(tmp_path / "cached")
    monkeypatch.setattr(debian, "unpacked", lambda: folder)
    assert nginx_h3.missing() is None
    own = tmp_path / "own"
    own.mkdir()
    launch = nginx_h3.launch(Place(own, Path("/tree"), Path("/pem"), 8443, Mode.USERSPACE), gso=True)
    libraries = str(folder / "usr/lib/any-linux-gnu")
    assert list(launch.command[:3]) == [f"{libraries}/ld-linux-any.so.2", "--library-path", libraries]
    assert str(folder / "usr/sbin/nginx") in launch.command
    assert (own / "nginx.conf").exists()
