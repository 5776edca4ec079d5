from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ktlsserve.observe.stale_siblings import MOST_TOLD, StaleSiblings


def test_each_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    siblings = StaleSiblings(Path("/srv/www"))
    for path in (b"a.js.br", b"a.js.gz", b"a.js.br"):
        siblings.tell(path)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert ["'/srv/www/a.js.br'" in caplog.messages[0], "'/srv/www/a.js.gz'" in caplog.messages[1]] == [True, True]


def test_a_name_cannot_write_lines_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    StaleSiblings(Path("/srv/www")).tell(b"a\n\xff.gz")
    assert "a\\n\\udcff.gz" in caplog.messages[0]
    assert "\n" not in caplog.messages[0]


def test_many_are_told_of_by_their_number(caplog: pytest.LogCaptureFixture) -> None:
    siblings = StaleSiblings(Path("/srv/www"))
    for number in range(MOST_TOLD + 10):
        siblings.tell(b"%d.gz" % number)
    assert len(caplog.records) == MOST_TOLD + 1
    assert str(MOST_TOLD) in caplog.messages[-1]
