from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from ktlsserve.compress.codings import CODINGS, Coding
from ktlsserve.compress.siblings import SiblingTask
from ktlsserve.compress.task import FileChanged, Outcome, Result, Stopped

BR, ZSTD, GZIP = CODINGS
TEXT = b"text that repeats itself\n" * 4000
TIME_NS = 1_700_000_000_123_456_789


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "app.js"
    write(path, TEXT)
    return path


def write(path: Path, content: bytes, time_ns: int = TIME_NS) -> None:
    path.write_bytes(content)
    os.utime(path, ns=(time_ns, time_ns))


def run(
    original: Path, coding: Coding = GZIP, *, wanted: bool = True, dry: bool = False, stopping: bool = False
) -> Result:
    exists = original.with_name(original.name + coding.suffix).exists()
    task = SiblingTask(original, coding, original.stat().st_size, exists, wanted)
    return task.run(lambda: stopping, dry=dry)


def names(original: Path) -> set[str]:
    return {path.name for path in original.parent.iterdir()}


@pytest.mark.parametrize("coding", CODINGS, ids=lambda coding: coding.name)
def test_a_missing_sibling_is_made(original: Path, coding: Coding) -> None:
    result = run(original, coding)
    made = original.with_name("app.js" + coding.suffix)
    assert result == Result(Outcome.MADE, made, len(TEXT), made.stat().st_size)
    with made.open("rb") as file:
        assert b"".join(coding.decoded(file)) == TEXT
    assert made.stat().st_mtime_ns == TIME_NS
    assert names(original) == {"app.js", made.name}


def test_what_does_not_get_smaller_gets_no_sibling(original: Path) -> None:
    write(original, os.urandom(10_000))
    assert run(original).outcome is Outcome.NOT_SMALLER
    assert names(original) == {"app.js"}


@pytest.mark.parametrize(("random_bytes", "outcome"), [(940, Outcome.NOT_SMALLER), (850, Outcome.MADE)])
def test_a_twentieth_must_be_saved(original: Path, random_bytes: int, outcome: Outcome) -> None:
    write(original, os.urandom(random_bytes) + bytes(1000 - random_bytes))
    assert run(original).outcome is outcome


@pytest.mark.parametrize("dry", [False, True])
def test_an_old_sibling_is_made_anew(original: Path, dry: bool) -> None:
    sibling = original.with_name("app.js.gz")
    write(sibling, gzip.compress(TEXT), TIME_NS - 1)
    assert run(original, dry=dry).outcome is Outcome.MADE
    assert sibling.stat().st_mtime_ns == TIME_NS - (1 if dry else 0)


@pytest.mark.parametrize("dry", [False, True])
def test_a_sibling_of_other_content_is_made_anew_whatever_its_time(original: Path, dry: bool) -> None:
    sibling = original.with_name("app.js.gz")
    write(sibling, gzip.compress(b"other"))
    assert run(original, dry=dry).outcome is Outcome.MADE
    assert (gzip.decompress(sibling.read_bytes()) == TEXT) is not dry


@pytest.mark.parametrize("content", [b"", b"not gzip", gzip.compress(TEXT)[:-1]])
def test_a_damaged_sibling_is_made_anew(original: Path, content: bytes) -> None:
    sibling = original.with_name("app.js.gz")
    write(sibling, content)
    assert run(original).outcome is Outcome.MADE
    assert gzip.decompress(sibling.read_bytes()) == TEXT


@pytest.mark.parametrize("dry", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_a_sibling_of_the_same_time_and_content_stays(original: Path, dry: bool, wanted: bool) -> None:
    sibling = original.with_name("app.js.gz")
    content = gzip.compress(TEXT, 1)
    write(sibling, content)
    before = sibling.stat()
    assert run(original, dry=dry, wanted=wanted).outcome is Outcome.FRESH
    assert (sibling.read_bytes(), sibling.stat().st_mtime_ns) == (content, TIME_NS)
    assert (sibling.stat().st_ctime_ns == before.st_ctime_ns) is dry or not dry


@pytest.mark.parametrize("dry", [False, True])
def test_an_old_sibling_of_a_file_that_is_too_short_now_goes(original: Path, dry: bool) -> None:
    sibling = original.with_name("app.js.gz")
    write(sibling, gzip.compress(TEXT), TIME_NS - 1)
    assert run(original, wanted=False, dry=dry) == Result(Outcome.REMOVED, sibling)
    assert sibling.exists() is dry


def test_an_old_sibling_of_what_does_not_get_smaller_now_goes(original: Path) -> None:
    write(original.with_name("app.js.gz"), gzip.compress(TEXT), TIME_NS - 1)
    write(original, os.urandom(10_000))
    assert run(original).outcome is Outcome.REMOVED
    assert names(original) == {"app.js"}


@pytest.mark.parametrize(
    ("content", "outcome"), [(TEXT, Outcome.MADE), (os.urandom(1000), Outcome.NOT_SMALLER)], ids=["text", "random"]
)
def test_dry_finds_out_and_changes_nothing(original: Path, content: bytes, outcome: Outcome) -> None:
    write(original, content)
    assert run(original, dry=True).outcome is outcome
    assert names(original) == {"app.js"}


def test_what_is_no_file_is_left_as_it_is(original: Path) -> None:
    original.with_name("app.js.gz").mkdir()
    with pytest.raises(FileChanged, match="not a regular file"):
        run(original)
    original.with_name("app.js.br").symlink_to("app.js")
    with pytest.raises(OSError, match="symbolic links"):
        run(original, BR)
    assert original.read_bytes() == TEXT


def test_stopping_leaves_nothing(original: Path) -> None:
    with pytest.raises(Stopped):
        run(original, stopping=True)
    assert names(original) == {"app.js"}


def test_a_file_that_changes_meanwhile_gets_no_sibling(original: Path) -> None:
    def change_and_go_on() -> bool:
        original.write_bytes(TEXT + b"more")
        return False

    task = SiblingTask(original, GZIP, len(TEXT), exists=False, wanted=True)
    with pytest.raises(FileChanged):
        task.run(change_and_go_on, dry=False)
    assert names(original) == {"app.js"}
