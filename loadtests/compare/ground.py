"""What all servers are given and the client checks against: the tree, its manifest, the certificate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loadtests.baselines import Running
from loadtests.baselines.asking import ask
from loadtests.bench.certificate import make_certificate
from loadtests.bench.errors import RunFailed
from loadtests.compare.scenarios import SCENARIOS
from loadtests.tree import make_tree
from loadtests.users.manifest import write_manifest
from loadtests.users.scenario import load_scenario


@dataclass(frozen=True, slots=True)
class Ground:
    """``pem`` holds certificate and key, ``manifest`` tells each of ``paths``, the smallest file first."""

    tree: Path
    pem: Path
    manifest: Path
    paths: tuple[str, ...]


def make_ground(folder: Path) -> Ground:
    """Make it all below ``folder``. The scenarios have the same files, so that one tree does for them."""
    tree, pem, manifest = folder / "tree", folder / "server.pem", folder / "manifest.json"
    assets = make_tree(tree, load_scenario(next(iter(SCENARIOS.values())).file))
    write_manifest(assets, manifest)
    make_certificate(pem)
    return Ground(tree, pem, manifest, tuple(sorted(assets, key=lambda path: (assets[path].bytes, path))))


def verify(running: Running, ground: Ground) -> None:
    """Fetch each file once and compare all its bytes; raises RunFailed if anything is wrong.

    The client hashes a share of the answers only, so as not to be slower than the servers.
    """
    for path in ground.paths:
        answer = ask(running.url + path, running.protocol, ground.pem)
        if answer.status != 200:
            raise RunFailed(f"GET {path}: status {answer.status}")
        if answer.body != (ground.tree / path.lstrip("/")).read_bytes():
            raise RunFailed(f"GET {path}: other bytes than the file's")
