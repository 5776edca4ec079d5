from __future__ import annotations

import os
from pathlib import Path

import pytest

from ktlsserve.files.open_file import OpenFile
from ktlsserve.files.root import Root
from ktlsserve.http1.reply import FileSlice, Reply
from loadtests.baselines.quic.transfers import PIECE_BYTES, Transfer, Truncated

CONTENT = bytes(range(256)) * (PIECE_BYTES // 256) + b"and more"


def _open(folder: Path) -> OpenFile:
    (folder / "file").write_bytes(CONTENT)
    with Root(folder) as root:
        opened: OpenFile = root.open(b"file")
        return opened


def _reply(*parts: bytes | FileSlice) -> Reply:
    return Reply(200, b"", parts, close=False, body_bytes=0)


def _pieces(transfer: Transfer) -> list[bytes]:
    pieces = []
    while not transfer.finished:
        pieces.append(transfer.next_piece())
    return pieces


def test_a_file_comes_in_pieces(tmp_path: Path) -> None:
    file = _open(tmp_path)
    transfer = Transfer(_reply(FileSlice(file, 0, len(CONTENT))))
    assert _pieces(transfer) == [CONTENT[:PIECE_BYTES], CONTENT[PIECE_BYTES:]]
    assert not file.closed
    transfer.release()
    assert file.closed


def test_parts_come_in_their_order(tmp_path: Path) -> None:
    file = _open(tmp_path)
    parts = (b"first", FileSlice(file, 10, 5), FileSlice(file.retain(), PIECE_BYTES, 3), b"x" * (PIECE_BYTES + 1))
    transfer = Transfer(_reply(*parts))
    assert _pieces(transfer) == [b"first", CONTENT[10:15], b"and", b"x" * PIECE_BYTES, b"x"]
    transfer.release()
    assert file.closed


def test_a_file_that_became_shorter_is_noticed(tmp_path: Path) -> None:
    file = _open(tmp_path)
    transfer = Transfer(_reply(FileSlice(file, 0, len(CONTENT))))
    os.truncate(tmp_path / "file", 100)
    assert transfer.next_piece() == CONTENT[:100]
    with pytest.raises(Truncated):
        transfer.next_piece()
    transfer.release()
