"""Expressions over the server's metrics: judged by promtool, and compared with the metrics that there are."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from ktlsserve.admin.metrics import DURATION_NAME, METRICS, PREFIX
from ktlsserve.observe.counters import Counters
from tests.support.programs import find_program
from tests.support.waiting import LIMIT_S

# By name as it is exposed: its labels, without those that Prometheus adds.
LABELS = {metric.full_name: set(metric.labels) for metric in METRICS} | {
    f"{DURATION_NAME}_bucket": {"le"},
    f"{DURATION_NAME}_sum": set(),
    f"{DURATION_NAME}_count": set(),
}
ADDED_LABELS = {"job", "instance", "ktls"}


def promtool(*arguments: str, document: str | None = None) -> str:
    """Run promtool; return all that it says, with its status where it fails."""
    command = [find_program("promtool"), *arguments]
    done = subprocess.run(command, input=document, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    return done.stdout + done.stderr + (f"status {done.returncode}" if done.returncode else "")


def selected(expression: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each metric of the server's in an expression, with its matchers: operator and value by label."""
    for name, matchers in re.findall(rf"\b({PREFIX}\w+)(?:\{{([^}}]*)\}})?", expression):
        yield name, dict(re.findall(r"(\w+)((?:=|!=|=~|!~)\"[^\"]*\")", matchers))


def unknown_parts(expression: str) -> set[str]:
    """Return the metrics, labels and values of labels in an expression that the server doesn't have."""
    unknown: set[str] = set()
    labels = set(ADDED_LABELS)
    for name, matchers in selected(expression):
        if name not in LABELS:
            unknown.add(name)
            continue
        labels |= LABELS[name]
        for label, matcher in matchers.items():
            if label not in LABELS[name] | ADDED_LABELS:
                unknown.add(f"{name}{{{label}}}")
            elif label in LABELS[name] and (known := _values_of(name, label)) is not None:
                values = matcher.split('"')[1].split("|")
                unknown |= {f"{name}{{{label}={value}}}" for value in values if value not in known}
    for grouping in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
        unknown |= {f"by ({label})" for label in set(grouping.split(", ")) - labels}
    return unknown


def _values_of(name: str, label: str) -> set[str] | None:
    """Return the values that a label can have, None where they aren't known beforehand."""
    metric = next(metric for metric in METRICS if metric.full_name == name)
    family = Counters().families.get(metric.name.replace("tls_handshake", "handshake"))
    position = metric.labels.index(label)
    known = {labels[position] for labels in family} if family is not None else None
    return known if known is not None else {"sends": {"kernel", "userspace", "off"}}.get(label)
