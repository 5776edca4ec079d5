from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pip_settings import named_paths, parse_settings, pip_settings

LISTED = """\
:env:.timeout='180'
global.timeout='15'
global.cert='/etc/authorities.pem'
global.extra-index-url='\\nhttps://one.test/simple\\nfile:///there/simple'
install.no-compile='true'
freeze.timeout='10'
"""


def test_settings_become_variables_in_their_order() -> None:
    assert parse_settings(LISTED) == {
        "PIP_TIMEOUT": "180",
        "PIP_CERT": "/etc/authorities.pem",
        "PIP_EXTRA_INDEX_URL": "https://one.test/simple file:///there/simple",
        "PIP_NO_COMPILE": "true",
    }


def test_what_is_named_and_exists_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.pem").touch()
    (tmp_path / "wheels").mkdir()
    (tmp_path / "index" / "simple").mkdir(parents=True)
    environment = {
        "PIP_CERT": f"{tmp_path}/a.pem",
        "PIP_FIND_LINKS": f"https://x.test/ {tmp_path}/wheels /none/a",
        "PIP_EXTRA_INDEX_URL": f"https://x.test/simple file://{tmp_path}/index/simple file:///simple",
    }
    assert named_paths(environment) == {tmp_path / "a.pem", tmp_path / "wheels", tmp_path / "index"}


def test_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    settings = pip_settings()
    assert settings.environment["PIP_FIND_LINKS"] == str(tmp_path)
    assert settings.environment["https_proxy"] == "http://proxy.test:3128"
    assert tmp_path in settings.paths
