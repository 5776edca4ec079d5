from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
from collections.abc import Callable

import pytest

from ktlsserve.kernel import ethtool
from ktlsserve.kernel.ethtool import TLS_FEATURES, Feature, interface_features, tls_features
from tests.support.programs import find_program

INTERFACES = [name for _, name in socket.if_nameindex()]


def features_or_skip(interface: str) -> dict[str, Feature]:
    try:
        return interface_features(interface)
    except OSError as error:
        pytest.skip(f"probed SIOCETHTOOL on {interface}: {error}")


@pytest.mark.parametrize("interface", INTERFACES)
def test_every_interface_here_tells_its_features(interface: str) -> None:
    found = features_or_skip(interface)
    assert {"rx-gro", "highdma"} <= found.keys()
    assert set(tls_features(interface)) <= set(TLS_FEATURES)


def test_loopback_segments_by_itself_and_has_no_tls_offload() -> None:
    found = features_or_skip("lo")
    assert found["loopback"] == Feature(on=True, changeable=False)
    assert not found["tls-hw-tx-offload"].on


@pytest.mark.parametrize("interface", INTERFACES)
def test_ethtool_says_the_same(interface: str) -> None:
    program = find_program("ethtool")
    ours = features_or_skip(interface)
    printed = subprocess.run([program, "-k", interface], check=True, capture_output=True, text=True).stdout
    compared = 0
    for line in printed.splitlines()[1:]:
        name, _, state = line.strip().partition(": ")
        if name in ours:
            words = state.split()
            assert ours[name].on is (words[0] == "on"), name
            if "[fixed]" in words:
                assert not ours[name].changeable or name == "highdma", name
            compared += 1
    assert compared > 30


def test_an_interface_that_does_not_exist() -> None:
    with pytest.raises(OSError, match=os.strerror(errno.ENODEV)):
        interface_features("nowhere0")


def kernel_with(names: list[str], words: list[tuple[int, int]]) -> Callable[..., bytes]:
    """Answer ETHTOOL calls for these feature names, with (available, active) for each 32 of them."""

    def call(_sock: socket.socket, _interface: str, request: bytes) -> bytes:
        command = struct.unpack_from("=I", request)[0]
        if command == ethtool.ETHTOOL_GSSET_INFO:
            known = 1 << ethtool.ETH_SS_FEATURES if names else 0
            return struct.pack("=IIQI", command, 0, known, len(names))
        if command == ethtool.ETHTOOL_GSTRINGS:
            assert struct.unpack_from("=II", request, 4) == (ethtool.ETH_SS_FEATURES, len(names))
            return request[:12] + b"".join(name.encode().ljust(32, b"\0") for name in names)
        assert command == ethtool.ETHTOOL_GFEATURES
        assert struct.unpack_from("=I", request, 4)[0] == len(words)
        assert len(request) == 8 + 16 * len(words)
        return request[:8] + b"".join(struct.pack("=4I", available, 0, active, 0) for available, active in words)

    return call


def test_bits_beyond_the_first_word_belong_to_the_names_beyond_32(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"feature-{number}" for number in range(40)]
    names[33] = "tls-hw-tx-offload"
    names[34] = "tls-hw-rx-offload"
    names[35] = ""
    monkeypatch.setattr(ethtool, "_call", kernel_with(names, [(0, 1 << 31), (0b110, 0b010)]))
    assert tls_features("eth0") == {
        "tls-hw-tx-offload": Feature(on=True, changeable=True),
        "tls-hw-rx-offload": Feature(on=False, changeable=True),
    }
    found = interface_features("eth0")
    assert found["feature-31"].on
    assert not found["feature-32"].on
    assert "" not in found


def test_a_kernel_without_feature_names_has_no_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ethtool, "_call", kernel_with([], []))
    assert interface_features("eth0") == {}
