from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ktlsserve.files.etag_sidecar import LONGEST_BYTES, is_sidecar, unpack_sidecar
from tests.support.content_tags import tag_of

CONTENT = b"hello, world\n"
TAG = tag_of(CONTENT)


@pytest.mark.parametrize("data", [TAG, TAG + b"\n"])
def test_a_sidecar_holds_an_entity_tag(data: bytes) -> None:
    assert unpack_sidecar(data, 13) == TAG
    assert is_sidecar(data)


def test_one_of_content_of_another_size_does_not_count() -> None:
    assert unpack_sidecar(TAG, 14) is None
    assert is_sidecar(TAG)


def test_the_longest_sidecar_fits() -> None:
    assert unpack_sidecar(b'"%b-%x"\n' % (b"0" * 32, 2**64 - 1), 2**64 - 1) is not None
    assert len(b'"%b-%x"\n' % (b"0" * 32, 2**64 - 1)) == LONGEST_BYTES


def test_an_empty_file_has_one() -> None:
    assert unpack_sidecar(tag_of(b""), 0) == tag_of(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        TAG[1:],
        TAG[:-1],
        TAG.strip(b'"'),
        b"W/" + TAG,
        b" " + TAG,
        TAG + b" ",
        TAG + b"\n\n",
        TAG + b"\r\n",
        TAG + b", " + TAG,
        TAG + b"\r\nSet-Cookie: a=b",
        TAG.upper(),
        TAG.replace(b"-d", b"-0d"),
        TAG.replace(b"-d", b"-+d"),
        TAG.replace(b"-", b"--"),
        TAG[:5] + TAG[6:],
        b'"v1.2.3"',
        b"*",
    ],
)
def test_anything_else_is_none(data: bytes) -> None:
    assert unpack_sidecar(data, 13) is None
    assert not is_sidecar(data)


def test_a_shell_can_write_one(tmp_path: Path) -> None:
    (tmp_path / "app.js").write_bytes(CONTENT)
    script = r"""
    printf '"%s-%x"' "$(b2sum -l 128 <app.js | cut -c1-32)" "$(stat -c %s app.js)" >app.js.etag
    touch -r app.js app.js.etag
    """
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, check=True)
    assert (tmp_path / "app.js.etag").read_bytes() == TAG
    assert (tmp_path / "app.js.etag").stat().st_mtime_ns == (tmp_path / "app.js").stat().st_mtime_ns
