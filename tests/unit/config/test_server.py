from __future__ import annotations

import pytest

from ktlsserve.config import Config
from ktlsserve.config.file import parse_config
from ktlsserve.errors import ConfigError


def test_by_default_nothing_waits_and_nothing_is_claimed() -> None:
    server = Config().server
    assert (server.drain_pause_s, server.ready_path, server.cpu_affinity, server.pid_file) == (0.0, "", False, "off")
    assert server.hang_s > 0


@pytest.mark.parametrize("path", ["/readyz", "/", "/a/b-c_d.e~", "/%20"])
def test_a_path_for_load_balancers(path: str) -> None:
    assert parse_config(f'[server]\nready_path = "{path}"').server.ready_path == path


@pytest.mark.parametrize("path", ["readyz", "/a?b", "/a#b", "/a b", "/é", "/a\\n"])
def test_what_no_target_can_be_is_no_path(path: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.ready_path: must be an absolute path without a query, or empty"):
        parse_config(f'[server]\nready_path = "{path}"')


@pytest.mark.parametrize(("pause_s", "fits"), [(4.9, True), (5, False), (6, False)])
def test_the_pause_is_part_of_the_drain(pause_s: float, fits: bool) -> None:
    text = f"[server]\ndrain_s = 5\ndrain_pause_s = {pause_s}"
    if fits:
        assert parse_config(text).server.drain_pause_s == pause_s
    else:
        with pytest.raises(ConfigError, match=r"server.drain_pause_s: must be less than drain_s \(5\)"):
            parse_config(text)
