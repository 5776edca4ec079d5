from __future__ import annotations

import pytest

from ktlsserve.address import Address
from ktlsserve.config import Config
from ktlsserve.config.admin import Admin
from ktlsserve.config.file import parse_config
from ktlsserve.errors import ConfigError

TEXT = """
[server]
root = "www"
listen = ["127.0.0.1:8443", "127.0.0.1:0"]
[redirect]
listen = ["127.0.0.1:8080"]
[admin]
listen = [{}]
"""


def test_there_is_none_by_default() -> None:
    assert Config().admin == Admin(listen=())


def test_there_may_be_several() -> None:
    config = parse_config(TEXT.format('"127.0.0.1:9000", "[::1]:9000"'))
    assert config.admin.listen == (Address("127.0.0.1", 9000), Address("::1", 9000))


@pytest.mark.parametrize("address", ["127.0.0.1:8443", "127.0.0.1:8080"])
def test_it_has_an_address_of_its_own(address: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(TEXT.format(f'"127.0.0.1:9000", "{address}"'))
    assert raised.value.problems == (("admin.listen[1]", "is an address of server.listen or redirect.listen (line 8)"),)


def test_any_free_port_is_never_the_same() -> None:
    assert parse_config(TEXT.format('"127.0.0.1:0"')).admin.listen == (Address("127.0.0.1", 0),)
