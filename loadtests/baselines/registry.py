"""Which baselines there are."""

from __future__ import annotations

import importlib.util
import sys
from functools import partial

from ktlsserve.kernel.probe import probe_kernel_tls
from loadtests.baselines import nginx_h3
from loadtests.baselines.asking import Protocol
from loadtests.baselines.baseline import Baseline
from loadtests.baselines.quic.batches import segmentation_refused
from loadtests.bench import configurations
from loadtests.bench.launch import Launch
from loadtests.bench.peers import PEERS, Peer, caddy_launch, module_versions, python_path
from loadtests.bench.place import Place
from loadtests.bench.workloads import Mode

_PEERS = {peer.name: peer for peer in PEERS}


def _lacks(peer: Peer) -> str | None:
    return peer.missing() or None


def _lacks_kernel_tls() -> str | None:
    kernel = probe_kernel_tls()
    return None if kernel.available else f"{kernel.reason}; {kernel.cure}"


def _over_tls(name: str, peer: str) -> Baseline:
    server = _PEERS[peer]
    return Baseline(name, Protocol.HTTP_1_1, server.launch, partial(_lacks, server), server.version)


def _caddy_h3(place: Place) -> Launch:
    config = place.folder / "Caddyfile"
    config.write_text(configurations.caddy(place, protocol="h3"), encoding="utf-8")
    return caddy_launch(place, config)


def _python_quic(place: Place, *, implementation: str, gso: bool) -> Launch:
    command = [sys.executable, "-m", "loadtests.baselines.quic", str(place.tree), "--implementation", implementation]
    command += ["--address", place.address, "--port", str(place.port)]
    command += ["--cert", str(place.pem), "--key", str(place.key_file)]
    return Launch([*command, *(["--gso"] if gso else [])], python_path())


def _lacks_module(module: str, *, gso: bool) -> str | None:
    if importlib.util.find_spec(module) is None:
        return f"{module} isn't installed: pip install 'ktlsserve[loadtest]'"
    return segmentation_refused() if gso else None


def _quic(implementation: str, *, gso: bool) -> Baseline:
    return Baseline(
        f"{implementation}-gso" if gso else implementation,
        Protocol.HTTP_3,
        partial(_python_quic, implementation=implementation, gso=gso),
        partial(_lacks_module, implementation, gso=gso),
        partial(module_versions, implementation),
    )


def _nginx_h3(*, gso: bool) -> Baseline:
    return Baseline(
        "nginx-h3-gso" if gso else "nginx-h3",
        Protocol.HTTP_3,
        partial(nginx_h3.launch, gso=gso),
        partial(_lacks_nginx_h3, gso=gso),
        nginx_h3.version,
    )


def _lacks_nginx_h3(*, gso: bool) -> str | None:
    return nginx_h3.missing() or (segmentation_refused() if gso else None)


_caddy = _PEERS["caddy"]
_ALL = (
    _over_tls("ktlsserve", "ktlsserve"),
    Baseline(
        "ktlsserve-kernel",
        Protocol.HTTP_1_1,
        _PEERS["ktlsserve"].launch,
        _lacks_kernel_tls,
        _PEERS["ktlsserve"].version,
        Mode.KERNEL,
    ),
    _over_tls("nginx-tls", "nginx"),
    _over_tls("caddy-tls", "caddy"),
    _quic("aioquic", gso=False),
    _quic("aioquic", gso=True),
    _quic("qh3", gso=False),
    _quic("qh3", gso=True),
    _nginx_h3(gso=False),
    _nginx_h3(gso=True),
    Baseline("caddy-h3", Protocol.HTTP_3, _caddy_h3, partial(_lacks, _caddy), _caddy.version),
)
BASELINES: dict[str, Baseline] = {baseline.name: baseline for baseline in _ALL}
