"""What config/ has for Prometheus: against promtool, and against the metrics that there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.admin_client import AdminClient
from tests.support.promql import promtool, unknown_parts
from tests.support.server import CHECKOUT, Server

CONFIGURATION = CHECKOUT / "config" / "prometheus.yml"
RULES = CHECKOUT / "config" / "prometheus-rules.yml"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
NAMES = [alert["alert"] for alert in ALERTS]


@pytest.mark.slow
def test_promtool_takes_the_configuration() -> None:
    said = promtool("check", "config", str(CONFIGURATION))
    assert "status" not in said, said
    assert f"{len(ALERTS)} rules found" in said


def test_the_configuration_and_the_rules_agree() -> None:
    (job,) = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["scrape_configs"]
    assert job["job_name"] in RULES.read_text(encoding="utf-8")
    assert job["static_configs"][0]["labels"] == {"ktls": "expected"}
    manifests = yaml.safe_load_all((CHECKOUT / "config" / "kubernetes.yaml").read_text(encoding="utf-8"))
    deployment = next(manifest for manifest in manifests if manifest["kind"] == "Deployment")
    assert deployment["spec"]["template"]["metadata"]["labels"]["ktls"] == "expected"


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_metrics_labels_and_values_exist(alert: dict[str, Any]) -> None:
    assert unknown_parts(alert["expr"]) == set()


def test_what_does_not_exist_is_found() -> None:
    found = {
        "sum by (side) (ktlsserve_timeouts_total)": "by (side)",
        "ktlsserve_requests_total": "ktlsserve_requests_total",
        'ktlsserve_workers{step="serving"}': "ktlsserve_workers{step}",
        'ktlsserve_info{sends!="nobody"}': "ktlsserve_info{sends=nobody}",
        'ktlsserve_accept_pauses_total{reason="limit|limits"}': "ktlsserve_accept_pauses_total{reason=limits}",
        'ktlsserve_tls_handshake_failures_total{reason!~"gone"}': "ktlsserve_tls_handshake_failures_total{reason=gone}",
    }
    assert {expression: unknown_parts(expression) for expression in found} == {
        expression: {part} for expression, part in found.items()
    }


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_an_alert_says_where_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"warning", "critical"}
    annotations = alert["annotations"]
    assert annotations.keys() == {"summary", "description"}
    assert "{{ $labels.instance }}" in annotations["summary"] + annotations["description"]
    assert annotations["description"].endswith(".")


# A server for more than an hour, a value a minute: what it exposes while all is well. One alert takes an hour to fire.
EVALUATED_AT = "70m"
HEALTHY = {
    'up{job="ktlsserve"}': "1x80",
    "ktlsserve_ready": "1x80",
    'ktlsserve_info{sends="kernel"}': "1x80",
    "ktlsserve_workers_wanted": "2x80",
    'ktlsserve_workers{stage="serving"}': "2x80",
    'ktlsserve_workers{stage="leaving"}': "0x10 2x10 0x60",
    "ktlsserve_worker_restarts_total": "0x80",
    'ktlsserve_certificate_expiry_timestamp_seconds{name="example.org", key="ECDSA P-256"}': "2592000x80",
    "ktlsserve_connections_accepted_total": "0+600x80",
    'ktlsserve_tls_handshake_failures_total{reason="client_alert"}': "0+10x80",
    'ktlsserve_tls_handshake_failures_total{reason="left"}': "0+300x80",
    'ktlsserve_tls_connections_total{sends="kernel", receives="kernel"}': "0+600x80",
    'ktlsserve_tls_connections_total{sends="userspace", receives="userspace"}': "0+1x80",
    'ktlsserve_accept_pauses_total{reason="resources"}': "0x80",
    'ktlsserve_accept_pauses_total{reason="limit"}': "0x80",
    'ktlsserve_http_requests_total{site="default", status="200"}': "0+6000x80",
    'ktlsserve_http_requests_total{site="default", status="503"}': "0+6x80",
    "ktlsserve_access_log_lost_lines_total": "0x80",
    "ktlsserve_bugs_total": "0x80",
}
CERTIFICATE, FAILURES = (next(key for key in HEALTHY if word in key) for word in ("expiry", "client_alert"))
# What is different where an alert fires, and which others do then.
TROUBLE: dict[str, tuple[dict[str, str], set[str]]] = {
    "KtlsserveDown": ({'up{job="ktlsserve"}': "0x80"}, set()),
    "KtlsserveNotReady": ({"ktlsserve_ready": "0x80"}, set()),
    "KtlsserveTooFewWorkers": ({'ktlsserve_workers{stage="serving"}': "1x80"}, set()),
    "KtlsserveWorkersDie": ({"ktlsserve_worker_restarts_total": "0x58 0+1x20"}, set()),
    "KtlsserveCertificateExpires": ({CERTIFICATE: "1000000x80"}, set()),
    "KtlsserveCertificateExpiresSoon": ({CERTIFICATE: "100000x80"}, {"KtlsserveCertificateExpires"}),
    "KtlsserveHandshakesFail": ({FAILURES: "0+100x80"}, set()),
    "KtlsserveNoKernelTls": (
        {
            'ktlsserve_info{sends="kernel"}': "_x80",
            'ktlsserve_info{sends="userspace"}': "1x80",
            'ktlsserve_tls_connections_total{sends="kernel", receives="kernel"}': "0x80",
            'ktlsserve_tls_connections_total{sends="userspace", receives="userspace"}': "0+600x80",
        },
        set(),
    ),
    "KtlsserveKernelRefusesKeys": (
        {'ktlsserve_tls_connections_total{sends="userspace", receives="userspace"}': "0+60x80"},
        set(),
    ),
    "KtlsserveOutOfResources": ({'ktlsserve_accept_pauses_total{reason="resources"}': "0x65 1x15"}, set()),
    "KtlsserveFull": ({'ktlsserve_accept_pauses_total{reason="limit"}': "0+3x80"}, set()),
    "KtlsserveErrors": ({'ktlsserve_http_requests_total{site="default", status="503"}': "0+100x80"}, set()),
    "KtlsserveAccessLogLosesLines": ({"ktlsserve_access_log_lost_lines_total": "0x65 5x15"}, set()),
    "KtlsserveBug": ({"ktlsserve_bugs_total": "0x65 1x15"}, set()),
}


def firing(folder: Path, changes: dict[str, str], expected: set[str]) -> str:
    """Have promtool evaluate the rules; return what it says if other alerts than those expected fire."""
    series = [{"series": with_place(key), "values": value} for key, value in (HEALTHY | changes).items()]
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(expected)]
    expression = 'count by (alertname) (ALERTS{alertstate="firing"})'
    test = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [{"expr": expression, "eval_time": EVALUATED_AT, "exp_samples": samples}],
    }
    file = folder / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    return promtool("test", "rules", str(file))


def with_place(series: str) -> str:
    """Give a series the labels that Prometheus adds when it scrapes."""
    name, _, matchers = series.removesuffix("}").partition("{")
    place = ['instance="one:9000"', 'ktls="expected"'] + (['job="ktlsserve"'] if "job=" not in matchers else [])
    return f"{name}{{{', '.join([*filter(None, [matchers]), *place])}}}"


def test_each_alert_has_its_trouble() -> None:
    assert sorted(TROUBLE) == sorted(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_alert_fires_and_no_other(name: str, tmp_path: Path) -> None:
    changes, others = TROUBLE[name]
    said = firing(tmp_path, changes, {name, *others})
    assert "status" not in said, said


@pytest.mark.slow
def test_no_alert_fires_while_all_is_well(tmp_path: Path) -> None:
    said = firing(tmp_path, {}, set())
    assert "status" not in said, said


@pytest.mark.slow
def test_promtool_finds_nothing_wrong_with_what_the_server_exposes(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with Server(tmp_path / "server", root, tls="userspace", arguments=["--admin", "127.0.0.1:0"]) as server:
        status, exposed = AdminClient(server).ask("/metrics")
    assert status == 200
    assert promtool("check", "metrics", document=exposed) == ""
