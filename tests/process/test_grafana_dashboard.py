"""config/grafana-dashboard.json, of which Grafana publishes no schema: what its import needs, and what the eye does."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ktlsserve.admin.metrics import DURATION_NAME, METRICS
from tests.support.promql import promtool, selected, unknown_parts
from tests.support.server import CHECKOUT

DASHBOARD: dict[str, Any] = json.loads((CHECKOUT / "config" / "grafana-dashboard.json").read_text(encoding="utf-8"))


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def dashboard_expressions() -> list[str]:
    """Return the expressions of panels, annotations and variables."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    found += [annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]]
    queries = [
        variable["query"]["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"
    ]
    return found + [re.sub(r"^label_values\((.+), \w+\)$", r"\1", query) for query in queries]


@pytest.mark.parametrize("expression", dashboard_expressions())
def test_metrics_labels_and_values_exist(expression: str) -> None:
    assert unknown_parts(expression) == set()


def test_every_metric_is_shown() -> None:
    shown = {name for expression in dashboard_expressions() for name, _ in selected(expression)}
    shown = {re.sub(r"_bucket$", "", name) for name in shown}
    assert shown == {metric.full_name for metric in METRICS} | {DURATION_NAME}


@pytest.mark.slow
def test_promtool_takes_the_dashboards_expressions(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(dashboard_expressions())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    said = promtool("check", "rules", str(file))
    assert f"SUCCESS: {len(rules)} rules found" in said, said
    file.write_text(file.read_text().replace("sum(", "sum((", 1))
    assert "status 1" in promtool("check", "rules", str(file))


def test_the_dashboard_can_be_imported() -> None:
    assert DASHBOARD["uid"]
    assert DASHBOARD["title"] == "ktlsserve"
    assert DASHBOARD["schemaVersion"] >= 39
    # None: Grafana gives it one of its own.
    assert "id" not in DASHBOARD
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD))) - {"__rate_interval", "__all"}
    assert used == variables


def test_panels_lie_on_the_grid_without_overlap() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    for place in places:
        assert min(place.values()) >= 0
        assert place["w"] > 0 < place["h"]
        assert place["x"] + place["w"] <= 24
    for one, other in itertools.combinations(places, 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart or below, (one, other)


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_has_what_it_needs(panel: dict[str, Any]) -> None:
    assert panel["type"] in {"stat", "timeseries", "table"}
    assert panel["fieldConfig"]["defaults"]["unit"]
    references = [target["refId"] for target in panel["targets"]]
    assert references
    assert len(references) == len(set(references))
    for target in panel["targets"]:
        assert panel["datasource"] == target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        # Of the servers that were chosen, whatever else.
        for _, matchers in selected(target["expr"]):
            assert {"job", "instance"} <= matchers.keys()
        # A legend names labels that are left.
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            assert label == "instance" or re.search(rf"by \([^)]*\b{label}\b|{label}=~", target["expr"])
