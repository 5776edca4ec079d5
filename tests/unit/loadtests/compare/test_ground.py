from __future__ import annotations

import json
from pathlib import Path

from loadtests.compare.ground import make_ground


def test_the_tree_its_manifest_and_a_certificate(tmp_path: Path) -> None:
    ground = make_ground(tmp_path)
    manifest = json.loads(ground.manifest.read_text(encoding="utf-8"))
    assert manifest.keys() == set(ground.paths)
    sizes = [(ground.tree / path.lstrip("/")).stat().st_size for path in ground.paths]
    assert sizes == [10_240] * 16 + [1_048_576] * 4
    assert "PRIVATE KEY" in ground.pem.read_text(encoding="ascii")
