from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from loadtests.tree import main, manifest_file
from loadtests.users.manifest import read_manifest

SCENARIO = """\
[[file]]
path = "/a/{n}.html"
count = 5
bytes = [0, 5_000]
[[file]]
path = "/b"
bytes = 1_500_000
[[request]]
name = "all"
paths = "/**"
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    file = tmp_path / "scenario.toml"
    file.write_text(SCENARIO)
    return str(file)


def files(root: Path) -> dict[str, bytes]:
    return {f"/{file.relative_to(root)}": file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_the_manifest_says_what_is_there(tmp_path: Path, scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "tree"
    assert main([str(root), "--scenario", scenario]) == 0
    assert (
        f"6 files, {sum(map(len, files(root).values()))} bytes; manifest {root}.manifest.json"
        in capsys.readouterr().out
    )
    manifest = read_manifest(manifest_file(root))
    assert {path: (asset.bytes, asset.sha256) for path, asset in manifest.items()} == {
        path: (len(content), hashlib.sha256(content).hexdigest()) for path, content in files(root).items()
    }
    assert manifest.keys() == {"/b", *(f"/a/{number}.html" for number in range(1, 6))}


def test_again_it_writes_only_what_is_different(tmp_path: Path, scenario: str) -> None:
    root, elsewhere = tmp_path / "tree", tmp_path / "elsewhere"
    assert main([str(root), "--scenario", scenario]) == 0
    before = files(root)
    for file in root.rglob("*"):
        os.utime(file, (0, 0))
    (root / "b").write_bytes(b"x" * 1_500_000)
    assert main([str(root), "--scenario", scenario, "--manifest", str(elsewhere)]) == 0
    assert files(root) == before
    assert {file.name for file in root.rglob("*.html") if file.stat().st_mtime == 0} == {
        f"{n}.html" for n in range(1, 6)
    }
    assert elsewhere.read_bytes() == manifest_file(root).read_bytes()


def test_a_folder_that_is_somebodys_own_is_left_alone(
    tmp_path: Path, scenario: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "www"
    root.mkdir()
    (root / "index.html").write_bytes(b"mine")
    assert main([str(root), "--scenario", scenario]) == 2
    assert "holds index.html, which isn't of the scenario" in capsys.readouterr().err
    assert files(root) == {"/index.html": b"mine"}
    assert not manifest_file(root).exists()


def test_a_manifest_of_what_is_there(tmp_path: Path) -> None:
    root = tmp_path / "www"
    root.mkdir()
    (root / "index.html").write_bytes(b"mine")
    assert main([str(root), "--existing"]) == 0
    assert files(root) == {"/index.html": b"mine"}
    assert read_manifest(manifest_file(root))["/index.html"].bytes == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "x: unknown key"),
        ('[[request]]\nname = "a"\npaths = "/a"\n', "names no files to make"),
    ],
)
def test_scenarios_that_make_nothing(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.toml"
    file.write_text(text)
    assert main([str(tmp_path / "tree"), "--scenario", str(file)]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_cant_be_made(tmp_path: Path, scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "file"), "--scenario", scenario]) == 2
    assert main([str(tmp_path / "file" / "tree"), "--scenario", scenario]) == 2
    assert "must be a folder" in capsys.readouterr().err
