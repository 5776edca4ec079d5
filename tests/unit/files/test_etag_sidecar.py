from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from ktlsserve.files.etag_sidecar import LONGEST_BYTES, content_etag, pack_sidecar, unpack_sidecar

CONTENT = b"hello, world\n"
DIGEST = sha256(CONTENT).hexdigest().encode()


def test_what_is_packed_can_be_unpacked() -> None:
    assert unpack_sidecar(pack_sidecar(DIGEST, 13), 13) == DIGEST


def test_the_longest_sidecar_fits() -> None:
    assert len(pack_sidecar(DIGEST, 2**64 - 1)) == LONGEST_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DIGEST,
        DIGEST + b" 14\n",
        DIGEST + b" 13\n\n",
        DIGEST + b" 13 \n",
        DIGEST + b" -13\n",
        DIGEST + b"  13\n",
        DIGEST + b"  app.js\n",
        DIGEST[1:] + b" 13\n",
        DIGEST.upper() + b" 13\n",
        b'"' + DIGEST + b'" 13\n',
    ],
)
def test_anything_else_is_none(data: bytes) -> None:
    assert unpack_sidecar(data, 13) is None


def test_an_entity_tag_is_half_the_digest_in_quotes() -> None:
    assert content_etag(DIGEST) == b'"853ff93762a06ddbf722c4ebe9ddd66d"'
    assert DIGEST.startswith(content_etag(DIGEST)[1:-1])


def test_a_shell_can_write_one(tmp_path: Path) -> None:
    (tmp_path / "app.js").write_bytes(CONTENT)
    script = r"""printf '%s %s\n' "$(sha256sum <app.js | cut -c1-64)" "$(stat -c %s app.js)" >app.js.etag"""
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True)
    assert (tmp_path / "app.js.etag").read_bytes() == pack_sidecar(DIGEST, 13)
