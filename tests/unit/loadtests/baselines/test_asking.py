from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from loadtests.baselines.asking import Protocol, ask, missing_client
from loadtests.baselines.errors import Missing
from loadtests.bench.errors import RunFailed
from loadtests.bench.place import free_port


@pytest.mark.parametrize("protocol", Protocol)
def test_nobody_who_answers_is_said(protocol: Protocol, tmp_path: Path) -> None:
    url = f"https://127.0.0.1:{free_port()}/x"
    ca = tmp_path / "ca.pem"
    ca.touch()
    with pytest.raises(RunFailed, match=f"GET {url}"):
        ask(url, protocol, ca)


def test_a_missing_client_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert missing_client() is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Missing, match="pip install"):
        ask("https://127.0.0.1:1/", Protocol.HTTP_3, tmp_path)
