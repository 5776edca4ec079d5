from __future__ import annotations

import os
from pathlib import Path

import pytest

from ktlsserve.compress.survey import RemovalTask
from ktlsserve.compress.task import Outcome
from ktlsserve.etags.survey import survey_orphaned_sidecars, survey_sidecars
from ktlsserve.etags.task import SidecarTask
from tests.support.content_tags import tag_of


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    for folder in ("docs", ".well-known", ".git", "docs/.well-known"):
        (root / folder).mkdir(parents=True)
        (root / folder / "x").write_bytes(b"x")
    for name in ("app.js", "app.js.br", "app.js.etag", "empty", ".hidden", "gone.js.etag", "notes.etag", ".etag"):
        (root / name).write_bytes(tag_of(b"") if name.endswith(".etag") else name.encode())
    (root / "notes.etag").write_bytes(b"notes of mine")
    (root / "link.js").symlink_to("app.js")
    os.mkfifo(root / "fifo")
    return root


def test_what_is_served_gets_a_sidecar(site: Path) -> None:
    survey = survey_sidecars(site)
    assert (survey.fresh, survey.failures) == (0, [])
    assert {task for task in survey.tasks if isinstance(task, SidecarTask)} == {
        SidecarTask(site / "app.js", 6, exists=True),
        SidecarTask(site / "app.js.br", 9, exists=False),
        SidecarTask(site / "empty", 5, exists=False),
        SidecarTask(site / "docs" / "x", 1, exists=False),
        SidecarTask(site / ".well-known" / "x", 1, exists=False),
    }
    assert len(survey.tasks) == 5


def test_orphans_are_told_by_what_is_in_them(site: Path) -> None:
    survey = survey_orphaned_sidecars(site)
    assert survey.tasks == [RemovalTask(site / "gone.js.etag")]
    assert survey.failures == []


def test_an_orphan_that_can_not_be_read_is_a_failure(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("ktlsserve.etags.survey._is_sidecar", refuse)
    survey = survey_orphaned_sidecars(site)
    assert [failure.outcome for failure in survey.failures] == [Outcome.FAILED] * 2
    assert {failure.path.name for failure in survey.failures} == {"gone.js.etag", "notes.etag"}
    assert survey.tasks == []
