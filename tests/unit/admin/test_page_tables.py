from __future__ import annotations

from dataclasses import replace

import pytest

from ktlsserve.admin.page_tables import (
    certificate_table,
    failure_table,
    handshake_table,
    path_table,
    request_table,
    worker_table,
)
from ktlsserve.observe.server_state import Stage, WorkerStage
from tests.support.snapshots import CERTIFICATE, DAY_S, NOW_S, Counts, facts, snapshot, state, worker


def test_paths_without_a_module_say_so() -> None:
    assert "The kernel's TLS isn't loaded here." in path_table(snapshot())
    assert "<p>" not in path_table(snapshot(kernel={"TlsTxDevice": 0}))


def test_what_a_card_did_is_not_made_up() -> None:
    text = path_table(snapshot(kernel={"TlsTxDevice": 5, "TlsCurrTxDevice": 2}))
    assert "isn't known" in text
    assert '<td>Network card</td><td class="n">2</td><td class="n">?</td><td class="n">?</td>' in text


def test_workers_and_what_they_do() -> None:
    workers = (worker(0), worker(1, WorkerStage.LEAVING), worker(2, alive=False))
    text = worker_table(snapshot(server=state(Stage.READY, *workers, restarts=3)))
    for cell in ("<td>worker-0</td>", '"good">serving', '"warn">leaving', '"bad">hangs', "3 died and were replaced"):
        assert cell in text
    assert "died" not in worker_table(snapshot())


@pytest.mark.parametrize(
    ("left_s", "cell"),
    [
        (90 * DAY_S, '<td class="n">90 days</td>'),
        (13 * DAY_S, '<td class="n warn">13 days</td>'),
        (30 * 3600, '<td class="n warn">1 d 6 h</td>'),
        (0, '<td class="n bad">has expired</td>'),
        (-DAY_S, '<td class="n bad">has expired</td>'),
    ],
)
def test_a_certificates_end_comes_nearer(left_s: int, cell: str) -> None:
    known = facts(replace(CERTIFICATE, expires_s=int(NOW_S) + left_s))
    assert cell in certificate_table(snapshot(known=known))


def test_plain_http_has_no_certificates() -> None:
    assert certificate_table(snapshot(known=replace(facts(), certificates=()))) == "<p>None: plain HTTP.</p>"


def test_names_from_certificates_are_only_text() -> None:
    known = facts(replace(CERTIFICATE, names=("<script>alert(1)</script>",)))
    assert "<script>" not in certificate_table(snapshot(known=known))


def test_requests_by_kind_of_status() -> None:
    said: Counts = {
        "requests_worked_out": {("a.example", "200"): 2, ("a.example", "206"): 3, ("a.example", "404"): 4},
        "requests_remembered": {("a.example", "304"): 1},
    }
    cells = "".join(f'<td class="n">{count}</td>' for count in (5, 1, 4, 0))
    text = request_table(snapshot(said))
    assert f"<tr><td>a.example</td>{cells}</tr>" in text
    assert "10% of the replies" in text
    # Sites that nobody has asked for take no room.
    assert "redirect" not in text
    assert request_table(snapshot()) == "<p>None yet.</p>"


def test_handshakes_that_were() -> None:
    said: Counts = {
        "handshakes": {("TLS 1.3", "AES-128-GCM", "X25519", "yes"): 4},
        "handshake_durations_ns": {(): 10_000_000},
    }
    text = handshake_table(snapshot(said))
    assert "<td>TLS 1.3, AES-128-GCM</td><td>X25519</td>" in text
    assert "2.5 ms each on average." in text
    assert handshake_table(snapshot()) == "<p>None yet.</p>"


def test_only_what_went_wrong_is_told() -> None:
    assert failure_table(snapshot()) == "<p>Nothing.</p>"
    text = failure_table(
        snapshot({"handshake_failures": {("not_tls",): 1200}, "bugs": {(): 1}, "timeouts": {("head",): 2}})
    )
    for cell in ("handshakes that failed: not tls</td>", "1,200", "ended by a bug", "timeouts: head"):
        assert cell in text
    assert "access log" not in text
