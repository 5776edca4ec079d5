from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ktlsserve.http1.reply import Reply
from ktlsserve.http1.request import Request
from ktlsserve.worker import fronts
from ktlsserve.worker.fronts import make_fronts
from ktlsserve.worker.memo import NoMemo
from tests.support.worker_bench import Bench

GET = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
HELLO = b"hello, world\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.txt").write_bytes(HELLO)
    return tmp_path


def test_a_kernel_without_notices_is_no_obstacle(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(fronts, "ChangeNotices", refuse)
    with Bench(folder) as bench:
        assert "changes of files are looked for at each request: inotify: Too many open files" in caplog.text
        client = bench.connect()
        for content in (HELLO, b"changed, at once\n"):
            (folder / "hello.txt").write_bytes(content)
            bench.send_all(client, GET)
            assert bench.read(client, until=content)


def test_what_answers_in_place_of_the_sites_is_asked_each_time(folder: Path) -> None:
    def answer(request: Request, now_s: int) -> Reply:
        raise AssertionError("only made here")

    with Bench(folder) as bench:
        worker = bench.worker
        made = make_fronts(replace(bench.service, answer=answer), worker.files, worker.residency, lambda: True)
    assert made.ordinary.answer is answer
    assert isinstance(made.ordinary.memo, NoMemo)
    # Nothing redirects here.
    assert made.redirecting is made.ordinary
