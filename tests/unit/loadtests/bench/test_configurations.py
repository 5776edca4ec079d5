from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.bench import configurations
from loadtests.bench.place import Place
from loadtests.bench.workloads import Mode


def place(mode: Mode) -> Place:
    return Place(Path("/own"), Path("/tree"), Path("/server.pem"), 8000, mode)


@pytest.mark.parametrize("configure", [configurations.nginx, configurations.lighttpd, configurations.caddy])
@pytest.mark.parametrize("mode", Mode)
def test_only_the_loopback_is_listened_on_and_tls_is_as_asked(configure: object, mode: Mode) -> None:
    assert callable(configure)
    text = configure(place(mode))
    assert "127.0.0.1" in text
    assert "0.0.0.0" not in text
    assert ("/server.pem" in text) is (mode is not Mode.PLAIN)


def test_nginx_encrypts_in_the_kernel_only_where_asked() -> None:
    texts = {mode: configurations.nginx(place(mode)) for mode in Mode}
    assert [mode for mode, text in texts.items() if "Options KTLS;" in text] == [Mode.KERNEL]
    assert all("sendfile on; tcp_nopush on;" in text for text in texts.values())


def test_lighttpd_encrypts_in_the_kernel_only_where_asked() -> None:
    assert '"Options" => "-KTLS"' in configurations.lighttpd(place(Mode.USERSPACE))
    assert '"Options" => "KTLS"' in configurations.lighttpd(place(Mode.KERNEL))


def test_nginx_variants() -> None:
    plain = place(Mode.PLAIN)
    assert "open_file_cache" not in configurations.nginx(plain)
    assert "open_file_cache max=" in configurations.nginx(plain, file_cache=True)
    assert "access_log off;" in configurations.nginx(plain)
    assert "access_log /own/access.log;" in configurations.nginx(plain, access_log=True)


@pytest.mark.parametrize("configure", [configurations.nginx, configurations.lighttpd, configurations.caddy])
def test_key_and_address_may_be_others(configure: object) -> None:
    assert callable(configure)
    text = configure(Place(Path("/own"), Path("/tree"), Path("/cert"), 8000, Mode.USERSPACE, Path("/key"), "127.0.0.2"))
    assert "/key" in text
    assert "127.0.0.2" in text
    assert "127.0.0.1" not in text


def test_caddy_speaks_the_protocol_that_is_asked_for() -> None:
    assert "protocols h1\n" in configurations.caddy(place(Mode.USERSPACE))
    assert "protocols h3\n" in configurations.caddy(place(Mode.USERSPACE), protocol="h3")
