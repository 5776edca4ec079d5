from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from prometheus_client import parser
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics

from ktlsserve.admin.exposition import exposition
from ktlsserve.admin.metrics import DURATION_NAME, METRICS
from ktlsserve.admin.snapshot import Snapshot
from tests.support.snapshots import CERTIFICATE, NOW_S, Counts, facts, snapshot

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
BUSY: Counts = {
    "requests_worked_out": {("a.example", "200"): 2, ("none", "400"): 1},
    "requests_remembered": {("a.example", "200"): 5},
    "handshakes": {("TLS 1.3", "AES-128-GCM", "X25519", "yes"): 3},
    "handshake_durations": {("0.001",): 1, ("0.025",): 2, ("+Inf",): 1},
    "handshake_durations_ns": {(): 1_500_000_000},
    "sent_bytes": {("sendfile", "kernel"): 2**60},
}


def families(taken: Snapshot) -> dict[str, Metric]:
    content_type, text = exposition(taken, "")
    assert content_type.startswith(b"text/plain; version=")
    return {family.name: family for family in parser.text_string_to_metric_families(text.decode())}


def value(taken: Snapshot, name: str, /, **labels: str) -> float:
    (found,) = [
        sample.value
        for family in families(taken).values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return found


def test_every_metric_is_there_with_its_kind_and_its_meaning() -> None:
    found = families(snapshot(BUSY, kernel={"TlsTxSw": 3}))
    for metric in METRICS:
        name = metric.full_name.removesuffix("_total")
        assert found[name].type == metric.kind, name
        assert found[name].documentation == metric.help
        assert found[name].samples, name
        for sample in found[name].samples:
            assert set(sample.labels) == set(metric.labels)
    assert set(found) == {metric.full_name.removesuffix("_total") for metric in METRICS} | {DURATION_NAME}


def test_numbers_reach_prometheus() -> None:
    taken = snapshot(BUSY, kernel={"TlsCurrTxSw": 4})
    assert value(taken, "ktlsserve_http_requests_total", site="a.example", status="200") == 7
    assert value(taken, "ktlsserve_http_requests_total", site="none", status="400") == 1
    assert value(taken, "ktlsserve_memo_lookups_total", result="hit") == 5
    assert value(taken, "ktlsserve_sent_bytes_total", path="sendfile", tls="kernel") == 2**60
    assert value(taken, "ktlsserve_kernel_tls_stat", counter="TlsCurrTxSw") == 4
    assert value(taken, "ktlsserve_start_time_seconds") == NOW_S - 60
    assert value(taken, "ktlsserve_ready") == 1
    labels = {"version": "TLS 1.3", "cipher": "AES-128-GCM", "group": "X25519", "resumed": "yes"}
    assert value(taken, "ktlsserve_tls_handshakes_total", **labels) == 3


def test_the_histogram_is_cumulative() -> None:
    taken = snapshot(BUSY)
    buckets = {
        sample.labels["le"]: sample.value
        for sample in families(taken)[DURATION_NAME].samples
        if sample.name.endswith("_bucket")
    }
    assert [buckets[bound] for bound in ("0.001", "0.01", "0.025", "10.0", "+Inf")] == [1, 1, 3, 3, 4]
    assert list(buckets.values()) == sorted(buckets.values())
    assert value(taken, f"{DURATION_NAME}_count") == 4
    assert value(taken, f"{DURATION_NAME}_sum") == 1.5


def test_combinations_that_never_happened_take_no_room() -> None:
    found = families(snapshot())
    assert found["ktlsserve_http_requests"].samples == []
    assert found["ktlsserve_tls_handshakes"].samples == []
    assert len(found["ktlsserve_tls_handshake_failures"].samples) > 5


def test_of_certificates_for_one_name_the_first_to_end_is_told() -> None:
    sooner = replace(CERTIFICATE, expires_s=int(NOW_S) + 5)
    taken = snapshot(known=facts(CERTIFICATE, sooner))
    name = "ktlsserve_certificate_expiry_timestamp_seconds"
    assert value(taken, name, name="a.example", key="ECDSA") == NOW_S + 5


@pytest.mark.parametrize("hostile", ['quote".example', "back\\slash", "two\nlines"])
def test_labels_are_escaped(hostile: str) -> None:
    taken = snapshot(known=facts(replace(CERTIFICATE, name=hostile)))
    name = "ktlsserve_certificate_expiry_timestamp_seconds"
    assert value(taken, name, name=hostile, key="ECDSA") == CERTIFICATE.expires_s


def test_openmetrics_is_spoken_to_those_who_ask_for_it() -> None:
    content_type, text = exposition(snapshot(BUSY, kernel={"TlsTxSw": 3}), OPENMETRICS)
    assert content_type.startswith(b"application/openmetrics-text")
    assert text.endswith(b"# EOF\n")
    found = list(openmetrics.text_string_to_metric_families(text.decode()))  # type: ignore[no-untyped-call]
    assert len(found) == len(METRICS) + 1


def test_nobody_else_imports_the_package() -> None:
    """Workers and the supervisor pay for what they import in time and memory, and for all of it without an endpoint."""
    check = "import ktlsserve.cli, ktlsserve.supervisor.run, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert "ktlsserve.supervisor.admin" in done.stdout.split()
    assert not [name for name in done.stdout.split() if name.startswith(("prometheus_client", "ktlsserve.admin"))]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool in PATH (Debian's prometheus has it)")
def test_prometheus_own_checker_has_nothing_to_say() -> None:
    _, text = exposition(snapshot(BUSY, kernel={"TlsTxSw": 3}), "")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
