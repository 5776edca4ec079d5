from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import pytest

from ktlsserve.errors import UsageError
from ktlsserve.etags.command import run_etags
from tests.support.content_tags import tag_of

FILES = {"app.js": b"one", "app.js.br": b"two", "docs/index.html": b"three", "big.bin": bytes(300_000), "empty": b""}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "docs").mkdir(parents=True)
    for name, content in FILES.items():
        (root / name).write_bytes(content)
    return root


def run(*arguments: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    status = run_etags([str(argument) for argument in arguments], out, err)
    return status, out.getvalue(), err.getvalue()


def sidecars(root: Path) -> dict[str, bytes]:
    return {os.fspath(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.etag")}


RIGHT = {f"{name}.etag": tag_of(content) for name, content in FILES.items()}


def test_a_site_gets_its_entity_tags(site: Path) -> None:
    assert run(site) == (0, "5 made, 0 up to date\n", "")
    assert sidecars(site) == RIGHT
    for name in RIGHT:
        assert (site / name).stat().st_mtime_ns == (site / name).with_suffix("").stat().st_mtime_ns


def test_a_second_run_changes_nothing(site: Path) -> None:
    run(site)
    before = {path: (path.stat().st_ino, path.stat().st_ctime_ns) for path in site.rglob("*")}
    assert run(site) == (0, "0 made, 5 up to date\n", "")
    assert {path: (path.stat().st_ino, path.stat().st_ctime_ns) for path in site.rglob("*")} == before


def test_a_change_is_followed_even_where_all_times_are_the_same(site: Path) -> None:
    run(site)
    (site / "app.js").write_bytes(b"ONE")
    for path in site.rglob("*"):
        os.utime(path, (1, 1))
    assert run(site, "--check") == (1, f"would make {site}/app.js.etag\n1 to make, 4 up to date\n", "")
    assert run(site) == (0, "1 made, 4 up to date\n", "")
    assert sidecars(site) == RIGHT | {"app.js.etag": tag_of(b"ONE")}


def test_a_copy_without_its_times_is_put_right(site: Path, tmp_path: Path) -> None:
    run(site)
    copy = shutil.copytree(site, tmp_path / "copy", copy_function=shutil.copyfile)
    for number, path in enumerate(sorted(copy.rglob("*"))):
        os.utime(path, (number, number))
    assert run(copy, "--check")[0] == 1
    assert run(copy)[0] == 0
    assert run(copy, "--check") == (0, "0 to make, 5 up to date\n", "")
    assert sidecars(copy) == RIGHT


@pytest.mark.parametrize("check", [False, True])
def test_prune(site: Path, check: bool) -> None:
    run(site)
    (site / "app.js").unlink()
    (site / "mine.etag").write_bytes(b"not a sidecar")
    assert run(site) == (0, "0 made, 4 up to date\n", "")
    status, out, _ = run(site, "--prune", *(["--check"] if check else []))
    assert status == (1 if check else 0)
    assert ("1 to remove" if check else "1 removed") in out
    assert (site / "app.js.etag").exists() is check
    assert (site / "mine.etag").exists()


def test_one_failure_does_not_keep_the_others_from_being_done(site: Path) -> None:
    (site / "app.js.etag").write_bytes(b"somebody's")
    status, out, err = run(site, "--jobs", 3)
    assert (status, out) == (1, "4 made, 0 up to date, 1 failed\n")
    assert err == f"ktlsserve: error: {site}/app.js.etag: it isn't an entity-tag of ours; move it away\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: ROOT"),
        (["{site}/nowhere"], "no such folder: .*/nowhere"),
        (["{site}/app.js"], "not a folder: .*/app.js"),
        ([""], "is empty"),
        (["{site}", "--jobs", "0"], "whole number from 1 to 1024"),
        (["{site}", "--codings", "br"], "unknown option: --codings"),
    ],
)
def test_wrong_arguments(site: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(*(argument.format(site=site) for argument in arguments))
    assert sidecars(site) == {}
