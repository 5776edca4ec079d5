from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from loadtests.users.errors import LoadTestError
from loadtests.users.manifest import Asset, manifest_of_folder, read_manifest, write_manifest

SHA256 = hashlib.sha256(b"abc").hexdigest()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    manifest = {"/b/ä b.js": Asset(3, SHA256), "/a": Asset(0, hashlib.sha256().hexdigest())}
    write_manifest(manifest, tmp_path / "m.json")
    assert read_manifest(tmp_path / "m.json") == manifest


def test_a_folder_of_somebody(tmp_path: Path) -> None:
    (tmp_path / "a" / ".git").mkdir(parents=True)
    (tmp_path / "a" / "b.js").write_bytes(b"abc")
    (tmp_path / "a" / ".git" / "HEAD").write_bytes(b"secret")
    (tmp_path / ".env").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / ".env")
    assert manifest_of_folder(tmp_path) == {"/a/b.js": Asset(3, SHA256)}


def test_a_folder_without_files(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match="there are no files"):
        manifest_of_folder(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("{}", "names none"),
        ("[]", "must map paths"),
        ('{"/a": 3}', "/a: must be"),
        (f'{{"a": {{"bytes": 3, "sha256": "{SHA256}"}}}}', "a: must be"),
        (f'{{"/a": {{"bytes": -1, "sha256": "{SHA256}"}}}}', "/a: must be"),
        ('{"/a": {"bytes": 3, "sha256": "x"}}', "/a: must be"),
        (f'{{"/a": {{"bytes": 3, "sha256": "{SHA256}", "etag": "x"}}}}', "/a: must be"),
    ],
)
def test_what_is_no_manifest(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "m.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(LoadTestError, match=message):
        read_manifest(file)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match="can't be read"):
        read_manifest(tmp_path)
