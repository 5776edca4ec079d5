from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ktlsserve.admin.snapshot import Snapshot
from ktlsserve.admin.status import status
from ktlsserve.observe.server_state import Stage
from tests.support.snapshots import CERTIFICATE, NOW_S, Counts, facts, snapshot, state, worker


def read(taken: Snapshot) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(status(taken))
    return found


def test_the_keys_are_those_that_are_documented() -> None:
    assert list(read(snapshot())) == [
        "time",
        "server",
        "now",
        "connections",
        "tls_paths",
        "sent_bytes",
        "requests",
        "handshakes",
        "timeouts",
        "accept_pauses",
        "client_refusals",
        "access_log_lost_lines",
        "bugs",
        "kernel_tls_stat",
        "workers",
        "certificates",
    ]


def test_the_keys_are_the_same_before_anything_is_known() -> None:
    empty = read(Snapshot(0.0, facts(), None, 0.0, {}, None, None))
    assert list(empty) == list(read(snapshot()))
    assert list(empty["server"]) == list(read(snapshot())["server"])
    assert (empty["server"]["stage"], empty["server"]["pid"], empty["now"]) == ("starting", None, None)


def test_requests_are_added_up_two_ways() -> None:
    said: Counts = {
        "requests_worked_out": {("a.example", "404"): 2, ("none", "400"): 1},
        "requests_remembered": {("a.example", "200"): 5},
    }
    assert read(snapshot(said))["requests"] == {
        "total": 8,
        "remembered": 5,
        "by_status": {"200": 5, "400": 1, "404": 2},
        "by_site": {"none": 1, "redirect": 0, "a.example": 7},
    }


def test_handshakes() -> None:
    said: Counts = {
        "handshakes": {("TLS 1.3", "AES-128-GCM", "X25519", "yes"): 3, ("TLS 1.2", "AES-128-GCM", "P-256", "no"): 1},
        "handshake_failures": {("left",): 2},
    }
    found = read(snapshot(said))["handshakes"]
    assert (found["succeeded"], found["resumed"], found["failed"]["left"]) == (4, 3, 2)
    assert {"version": "TLS 1.3", "cipher": "AES-128-GCM", "group": "X25519", "resumed": True, "count": 3} in found[
        "by_kind"
    ]


def test_rates() -> None:
    said: Counts = {"sent_bytes": {("memory", "off"): 3000}, "requests_remembered": {("a.example", "200"): 10}}
    assert read(snapshot(said, a_while_ago={}))["now"] == {
        "over_s": 2.0,
        "sent_bytes_per_s": 1500,
        "requests_per_s": 5.0,
        "connections_per_s": 0.0,
        "handshakes_per_s": 0.0,
    }


def test_workers_and_certificates() -> None:
    found = read(
        snapshot(server=state(Stage.READY, worker(7)), known=facts(replace(CERTIFICATE, expires_s=int(NOW_S) + 60)))
    )
    assert found["workers"] == [
        {
            "pid": 107,
            "number": 7,
            "generation": 1,
            "stage": "serving",
            "alive": True,
            "started": "2027-01-15T07:59:10Z",
        }
    ]
    (certificate,) = found["certificates"]
    assert (certificate["names"], certificate["expires"], certificate["expires_in_s"]) == (
        ["a.example", "*.a.example"],
        "2027-01-15T08:01:00Z",
        60,
    )
