from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.kernel.probe import probe_kernel_tls
from loadtests.baselines import BASELINES, Protocol
from loadtests.baselines.quic import batches
from loadtests.bench.place import Place
from loadtests.bench.workloads import Mode

NAMES = [
    "ktlsserve",
    "ktlsserve-kernel",
    "nginx-tls",
    "caddy-tls",
    "aioquic",
    "aioquic-gso",
    "qh3",
    "qh3-gso",
    "nginx-h3",
    "nginx-h3-gso",
    "caddy-h3",
]


def test_the_baselines_have_their_names() -> None:
    assert list(BASELINES) == NAMES
    assert all(name == baseline.name for name, baseline in BASELINES.items())


def test_the_protocol_is_the_one_in_the_name() -> None:
    over_tcp = [name for name, baseline in BASELINES.items() if baseline.protocol is Protocol.HTTP_1_1]
    assert over_tcp == ["ktlsserve", "ktlsserve-kernel", "nginx-tls", "caddy-tls"]


@pytest.mark.parametrize("name", NAMES)
def test_each_command_names_tree_certificate_key_and_address(tmp_path: Path, name: str) -> None:
    mode = BASELINES[name].mode
    place = Place(tmp_path, Path("/tree"), Path("/cert.pem"), 8443, mode, Path("/key.pem"), "127.0.0.2")
    launch = BASELINES[name].launch(place)
    written = " ".join(path.read_text() for path in tmp_path.iterdir())
    said = " ".join(launch.command) + written
    for part in ("/tree", "/cert.pem", "/key.pem", "127.0.0.2", "8443"):
        assert part in said
    assert "127.0.0.1" not in said


@pytest.mark.parametrize("name", ["aioquic", "qh3"])
def test_segmentation_is_asked_for_by_name(tmp_path: Path, name: str) -> None:
    place = Place(tmp_path, Path("/tree"), Path("/pem"), 8443, Mode.USERSPACE)
    assert "--gso" in BASELINES[f"{name}-gso"].launch(place).command
    command = BASELINES[name].launch(place).command
    assert "--gso" not in command
    assert name in command


def test_only_one_of_ours_has_the_kernel_encrypt() -> None:
    assert [name for name, baseline in BASELINES.items() if baseline.mode is Mode.KERNEL] == ["ktlsserve-kernel"]
    missing = BASELINES["ktlsserve-kernel"].missing()
    assert (missing is None) is probe_kernel_tls().available


@pytest.mark.parametrize(("name", "mode"), [("ktlsserve", "userspace"), ("ktlsserve-kernel", "kernel")])
def test_who_encrypts_is_demanded_of_ours(tmp_path: Path, name: str, mode: str) -> None:
    baseline = BASELINES[name]
    command = list(baseline.launch(Place(tmp_path, Path("/tree"), Path("/pem"), 8443, baseline.mode)).command)
    assert command[command.index("--tls") + 1] == mode


def test_without_segmentation_its_baselines_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.baselines.registry.segmentation_refused", lambda: "refused")
    monkeypatch.setattr("loadtests.baselines.nginx_h3.missing", lambda: None)
    refused = [name for name, baseline in BASELINES.items() if baseline.missing() == "refused"]
    assert refused == ["aioquic-gso", "qh3-gso", "nginx-h3-gso"]
    assert batches.segmentation_refused() is None, "every kernel that runs these tests segments"


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.baselines.registry.importlib.util.find_spec", lambda name: None)
    assert BASELINES["qh3"].missing() == "qh3 isn't installed: pip install 'ktlsserve[loadtest]'"
