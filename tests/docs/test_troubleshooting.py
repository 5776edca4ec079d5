"""docs/troubleshooting.md, against the doctor: whatever it can find has its place there."""

from __future__ import annotations

import re

import pytest

from ktlsserve.doctor import _EXAMINATIONS, examine
from ktlsserve.doctor.check import Status
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.probe import Direction
from ktlsserve.tls.suites import TlsVersion
from tests.support.documents import page, section, tables
from tests.support.server import CHECKOUT

PAGE = page("docs/troubleshooting.md")
# What the probe says, as it begins, and what stands for it in the table of reasons.
SOURCES = ("probe_failure.py", "modules.py")


def explained() -> set[str]:
    """Return the ids in the headings."""
    return {
        found for heading in re.findall(r"^### (.+)$", PAGE, re.MULTILINE) for found in re.findall("`([^`]+)`", heading)
    }


def ids_in_the_sources() -> set[str]:
    """Return the ids that stand in the doctor's sources, with those that are put together there."""
    text = "".join(path.read_text(encoding="utf-8") for path in (CHECKOUT / "ktlsserve" / "doctor").glob("*.py"))
    written = set(re.findall(r'"((?:kernel|speed|network|limits|software)\.[a-z0-9_]+)', text))
    made = {
        f"kernel.{direction.name.lower()}.{version.label.lower().replace(' ', '')}"
        for direction in Direction
        for version in TlsVersion
    }
    # The examination of keys yields those; when it fails itself, its own id stands for them.
    return (written | made) - {"kernel.keys", "kernel.available"}


def test_every_check_is_explained_and_nothing_else_is() -> None:
    assert {examination.id for examination in _EXAMINATIONS} <= ids_in_the_sources() | {"kernel.keys"}
    # kernel.available is a key of the JSON, in the description of the command.
    assert ids_in_the_sources() | {"software.packages"} == explained() | {"software.packages"}


@pytest.mark.slow
def test_what_is_found_here_is_explained() -> None:
    for check in examine(Machine()).checks:
        known = "network.nic" if check.id.startswith("network.nic.") else check.id
        assert known in explained(), check.id


@pytest.mark.parametrize("status", Status)
def test_every_word_of_the_report_is_explained(status: Status) -> None:
    rows = dict(tables(section("Reading the report", PAGE))[0])
    assert rows[f"`{status.value}`"]


def test_the_reasons_of_the_probe_are_those_that_it_can_give() -> None:
    (rows,) = tables(section("`kernel.tls`", PAGE))
    text = (CHECKOUT / "ktlsserve" / "kernel" / "probe_failure.py").read_text(encoding="utf-8")
    for reason, _cure in rows:
        assert reason in text, reason
