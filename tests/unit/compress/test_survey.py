from __future__ import annotations

import os
from pathlib import Path

import pytest

from ktlsserve.compress.codings import CODINGS
from ktlsserve.compress.siblings import SiblingTask
from ktlsserve.compress.survey import RemovalTask, Survey, survey_orphans, survey_siblings
from ktlsserve.compress.task import Outcome, Result
from ktlsserve.files.mime import MimeTable

BR, ZSTD, GZIP = CODINGS
TYPES = MimeTable()
TIME_NS = 1_700_000_000_000_000_000


def put(path: Path, size: int = 2000, time_ns: int = TIME_NS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, ns=(time_ns, time_ns))
    return path


def siblings(root: Path, min_bytes: int = 1024) -> Survey:
    return survey_siblings(root, (BR, GZIP), min_bytes, TYPES)


def paths(root: Path, survey: Survey) -> set[str]:
    return {os.fspath(task.path.relative_to(root)) for task in survey.tasks}


def test_each_file_lacks_its_siblings(tmp_path: Path) -> None:
    put(tmp_path / "app.js")
    put(tmp_path / "docs" / "deep" / "a.html")
    survey = siblings(tmp_path)
    assert paths(tmp_path, survey) == {"app.js.br", "app.js.gz", "docs/deep/a.html.br", "docs/deep/a.html.gz"}
    assert SiblingTask(tmp_path / "app.js", BR, 2000, exists=False, wanted=True) in survey.tasks
    assert {task.cost for task in survey.tasks} == {2000}
    assert (survey.fresh, survey.failures) == (0, [])


def test_what_is_there_and_up_to_date_is_counted(tmp_path: Path) -> None:
    put(tmp_path / "app.js")
    put(tmp_path / "app.js.gz")
    survey = siblings(tmp_path)
    assert paths(tmp_path, survey) == {"app.js.br"}
    assert survey.fresh == 1


def test_what_is_there_and_old_is_looked_at(tmp_path: Path) -> None:
    put(tmp_path / "app.js")
    put(tmp_path / "app.js.gz", time_ns=TIME_NS - 1)
    task = SiblingTask(tmp_path / "app.js", GZIP, 2000, exists=True, wanted=True)
    assert task in siblings(tmp_path).tasks


def test_what_was_touched_after_its_sibling_is_looked_at(tmp_path: Path) -> None:
    sibling = put(tmp_path / "app.js.gz")
    made_ns = sibling.stat().st_ctime_ns
    while put(tmp_path / "app.js").stat().st_ctime_ns == made_ns:
        pass
    assert SiblingTask(tmp_path / "app.js", GZIP, 2000, exists=True, wanted=True) in siblings(tmp_path).tasks


def test_short_files_get_none_but_old_ones_do_not_stay(tmp_path: Path) -> None:
    put(tmp_path / "a.js", 1023)
    put(tmp_path / "b.js", 1024)
    put(tmp_path / "c.js", 1023)
    put(tmp_path / "c.js.gz", time_ns=TIME_NS - 1)
    survey = siblings(tmp_path)
    assert paths(tmp_path, survey) == {"b.js.br", "b.js.gz", "c.js.gz"}
    assert SiblingTask(tmp_path / "c.js", GZIP, 1023, exists=True, wanted=False) in survey.tasks


@pytest.mark.parametrize(
    "name", ["a.png", "a.gz", "a.js.br", "README", ".hidden.js", ".git/a.js", "d/.well-known/a.js"]
)
def test_what_is_left_out(tmp_path: Path, name: str) -> None:
    put(tmp_path / name)
    assert siblings(tmp_path).tasks == []


def test_well_known_at_the_top_is_served_and_so_compressed(tmp_path: Path) -> None:
    put(tmp_path / ".well-known" / "a.json")
    assert paths(tmp_path, siblings(tmp_path)) == {".well-known/a.json.br", ".well-known/a.json.gz"}


def test_links_and_special_files_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / "site"
    put(tmp_path / "outside" / "a.js")
    root.mkdir()
    (root / "folder").symlink_to("../outside")
    (root / "file.js").symlink_to("../outside/a.js")
    (root / "gone.js").symlink_to("nowhere")
    os.mkfifo(root / "fifo.js")
    assert siblings(root).tasks == []


def test_a_folder_in_the_place_of_a_sibling_is_looked_at(tmp_path: Path) -> None:
    put(tmp_path / "app.js")
    (tmp_path / "app.js.gz").mkdir()
    assert SiblingTask(tmp_path / "app.js", GZIP, 2000, exists=True, wanted=True) in siblings(tmp_path).tasks


def test_a_link_as_root_is_followed(tmp_path: Path) -> None:
    put(tmp_path / "releases" / "1" / "a.js")
    (tmp_path / "current").symlink_to("releases/1")
    assert paths(tmp_path / "current", siblings(tmp_path / "current")) == {"a.js.br", "a.js.gz"}


def test_a_folder_that_can_not_be_read_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a.js")
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refuse(path: Path) -> os._ScandirIterator[str]:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    survey = siblings(tmp_path)
    assert survey.failures == [Result(Outcome.FAILED, tmp_path / "locked", message="Permission denied")]
    assert paths(tmp_path, survey) == {"a.js.br", "a.js.gz"}


def test_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"latin-\xe9.js")
    put(tmp_path / name)
    assert paths(tmp_path, siblings(tmp_path)) == {name + ".br", name + ".gz"}


def orphans(root: Path) -> set[str]:
    return paths(root, survey_orphans(root, TYPES))


def test_siblings_of_what_has_gone_are_orphans(tmp_path: Path) -> None:
    for suffix in (".br", ".zst", ".gz"):
        put(tmp_path / "docs" / f"gone.js{suffix}")
        put(tmp_path / f"here.js{suffix}")
    put(tmp_path / "here.js")
    assert orphans(tmp_path) == {"docs/gone.js.br", "docs/gone.js.zst", "docs/gone.js.gz"}


@pytest.mark.parametrize(
    "name",
    ["notes.txt.gz", "notes.txt.zst", "site.tar.gz", "photo.png.br", ".br", "x.br", ".gone.js.br", ".git/a.js.br"],
)
def test_what_may_be_a_file_of_its_own_is_none(tmp_path: Path, name: str) -> None:
    put(tmp_path / name)
    assert orphans(tmp_path) == set()


def test_one_of_another_time_is_none(tmp_path: Path) -> None:
    put(tmp_path / "notes.txt.br")
    put(tmp_path / "notes.txt.gz", time_ns=TIME_NS - 1)
    put(tmp_path / "notes.txt.zst")
    assert orphans(tmp_path) == {"notes.txt.br", "notes.txt.zst"}


@pytest.mark.parametrize("leads_to", ["real.js", "nowhere"])
def test_a_link_is_an_original_too(tmp_path: Path, leads_to: str) -> None:
    put(tmp_path / "real.js")
    (tmp_path / "a.js").symlink_to(leads_to)
    put(tmp_path / "a.js.br")
    assert orphans(tmp_path) == set()


def test_a_folder_is_an_original_too(tmp_path: Path) -> None:
    (tmp_path / "a.js").mkdir()
    put(tmp_path / "a.js.br")
    assert orphans(tmp_path) == set()


def test_links_are_never_orphans(tmp_path: Path) -> None:
    (tmp_path / "a.js.br").symlink_to("nowhere")
    assert orphans(tmp_path) == set()


@pytest.mark.parametrize("dry", [False, True])
def test_a_removal(tmp_path: Path, dry: bool) -> None:
    orphan = put(tmp_path / "a.js.br")
    assert RemovalTask(orphan).run(None, dry=dry) == Result(Outcome.REMOVED, orphan)
    assert orphan.exists() is dry
