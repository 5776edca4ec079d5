from __future__ import annotations

import contextlib
import gzip
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from ktlsserve.compress.command import run_compress
from ktlsserve.compress.siblings import SiblingTask
from ktlsserve.compress.task import Result
from ktlsserve.errors import StartupError, UsageError
from tests.support.waiting import wait_until

TEXT = b"text that repeats itself\n" * 400


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "docs").mkdir(parents=True)
    (root / "app.js").write_bytes(TEXT)
    (root / "docs" / "a.html").write_bytes(TEXT * 2)
    (root / "tiny.css").write_bytes(b"a { margin: 0 }\n")
    (root / "photo.png").write_bytes(TEXT)
    (root / "random.txt").write_bytes(os.urandom(5000))
    return root


def run(*arguments: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    status = run_compress([str(argument) for argument in arguments], out, err)
    return status, out.getvalue(), err.getvalue()


def names(root: Path) -> set[str]:
    return {os.fspath(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def changes(root: Path) -> dict[Path, tuple[int, int]]:
    """Return what would tell of a change to any file; when it was last read doesn't."""
    return {path: (path.stat().st_ino, path.stat().st_ctime_ns) for path in root.rglob("*")}


PLAIN = {"app.js", "docs/a.html", "tiny.css", "photo.png", "random.txt"}
MADE = {f"{name}.{suffix}" for name in ("app.js", "docs/a.html") for suffix in ("br", "zst", "gz")}


def test_a_site_is_compressed(site: Path) -> None:
    status, out, err = run(site)
    assert (status, err) == (0, "")
    assert out.startswith("6 made (88 KiB became ")
    assert out.endswith("), 0 up to date, 3 not worth it\n")
    assert names(site) == PLAIN | MADE
    assert gzip.decompress((site / "docs" / "a.html.gz").read_bytes()) == TEXT * 2


def test_a_second_run_finds_nothing_to_do(site: Path) -> None:
    run(site)
    before = changes(site)
    assert run(site) == (0, "0 made, 6 up to date, 3 not worth it\n", "")
    assert changes(site) == before


def test_check_tells_and_changes_nothing(site: Path) -> None:
    status, out, _ = run(site, "--check")
    lines = out.splitlines()
    assert status == 1
    assert set(lines[:-1]) == {f"would make {site}/{name}" for name in MADE}
    assert lines[-1] == "6 to make, 0 up to date, 3 not worth it"
    assert names(site) == PLAIN
    run(site)
    assert run(site, "--check")[0] == 0


def test_a_change_is_followed(site: Path) -> None:
    run(site)
    (site / "app.js").write_bytes(TEXT + b"more")
    os.utime(site / "app.js", (1, 1))
    assert run(site, "--check")[0] == 1
    assert run(site)[1].startswith("3 made")
    assert gzip.decompress((site / "app.js.gz").read_bytes()) == TEXT + b"more"


def test_a_copy_with_its_times_needs_nothing(site: Path, tmp_path: Path) -> None:
    run(site)
    copy = tmp_path / "copy"
    # In the order that makes each original newer than its siblings.
    for name in sorted(names(site), reverse=True):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((site / name).read_bytes())
        time_ns = (site / name).stat().st_mtime_ns
        os.utime(copy / name, ns=(time_ns, time_ns))
    assert run(copy, "--check") == (0, "0 to make, 6 up to date, 3 not worth it\n", "")
    assert run(copy) == (0, "0 made, 6 up to date, 3 not worth it\n", "")


def test_codings_and_the_least_size(site: Path) -> None:
    run(site, "--codings", "gz, br", "--min-bytes", len(TEXT) + 1)
    assert names(site) == PLAIN | {"docs/a.html.br", "docs/a.html.gz"}


@pytest.mark.parametrize("check", [False, True])
def test_prune(site: Path, check: bool) -> None:
    run(site)
    (site / "app.js").unlink()
    assert run(site)[1].startswith("0 made, 3 up to date")
    status, out, _ = run(site, "--prune", *(["--check"] if check else []))
    assert status == (1 if check else 0)
    assert ("3 to remove" if check else "3 removed") in out
    assert (site / "app.js.br").exists() is check
    assert {line for line in out.splitlines() if line.startswith("would remove")} == (
        {f"would remove {site}/app.js.{suffix}" for suffix in ("br", "zst", "gz")} if check else set()
    )


def test_one_failure_does_not_keep_the_others_from_being_done(site: Path) -> None:
    (site / "app.js.gz").mkdir()
    (site / "docs" / "a.html.gz").symlink_to("a.html")
    status, out, err = run(site)
    assert status == 1
    assert out.startswith("4 made")
    assert out.endswith("2 failed\n")
    assert sorted(err.splitlines()) == [
        f"ktlsserve: error: {site}/app.js.gz: not a regular file",
        f"ktlsserve: error: {site}/docs/a.html.gz: Too many levels of symbolic links",
    ]


def test_a_folder_that_can_not_be_read_is_a_failure(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: Path) -> os._ScandirIterator[str]:
        if path.name == "docs":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    status, out, err = run(site)
    assert (status, err) == (1, f"ktlsserve: error: {site}/docs: Permission denied\n")
    assert out.startswith("3 made")
    assert out.endswith("1 failed\n")


def test_an_empty_site_is_done(tmp_path: Path) -> None:
    assert run(tmp_path, "--prune") == (0, "0 made, 0 up to date\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: ROOT"),
        (["{site}/nowhere"], "no such folder: .*/nowhere"),
        (["{site}/app.js"], "not a folder: .*/app.js"),
        ([""], "is empty"),
        (["{site}", "--codings", "br,deflate"], "unknown coding: deflate; known are br, zstd, gzip"),
        (["{site}", "--jobs", "0"], "whole number from 1 to 1024"),
        (["{site}", "--jobs", "two"], "whole number from 1 to 1024"),
        (["{site}", "--min-bytes", "-1"], "whole number from 0"),
        (["{site}", "--level", "9"], "unknown option: --level"),
        (["{site}", "x"], "unexpected argument: x"),
    ],
)
def test_wrong_arguments(site: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(*(argument.format(site=site) for argument in arguments))


def test_a_missing_package_is_said_before_anything_is_done(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ktlsserve.compress.codings.find_spec", lambda _name: None)
    with pytest.raises(StartupError, match="needs the package brotli"):
        run(site)
    assert run(site, "--codings", "gzip")[0] == 0
    assert names(site) == PLAIN | {"app.js.gz", "docs/a.html.gz"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_nothing_half_done(
    site: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_task = SiblingTask.run
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]

    to_send = [number]

    def interrupt_first(self: SiblingTask, stopping: Callable[[], bool], *, dry: bool) -> Result:
        # One signal: a second one would find the command tidying up, or the next test.
        with contextlib.suppress(IndexError):
            os.kill(os.getpid(), to_send.pop())
        wait_until(stopping, "the order to stop")
        return run_task(self, stopping, dry=dry)

    monkeypatch.setattr(SiblingTask, "run", interrupt_first)
    with pytest.raises(KeyboardInterrupt):
        run(site, "--jobs", 2)
    assert names(site) == PLAIN
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == handlers


def test_a_bug_is_not_taken_for_a_failure(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Result:
        raise ZeroDivisionError

    monkeypatch.setattr(SiblingTask, "run", fail)
    with pytest.raises(ZeroDivisionError):
        run(site)
