from __future__ import annotations

import json
from pathlib import Path

import pytest

from ktlsserve.admin.endpoint import Endpoint
from ktlsserve.admin.page import CONTENT_SECURITY_POLICY
from ktlsserve.http1.head import parse_head
from ktlsserve.http1.reply import Reply
from ktlsserve.http1.request import HeadLimits
from ktlsserve.kernel.machine import Machine
from ktlsserve.observe.board import Board, Ledger
from ktlsserve.observe.counters import ACCEPTED, Counters
from ktlsserve.observe.server_state import StatePage
from tests.support.snapshots import NOW_S, facts, state

PATHS = ["/", "/healthz", "/readyz", "/metrics", "/status"]


class Desk:
    """An endpoint with the time in the test's hands, a board with one slot, and a machine that is a folder."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 100.0
        self.page = StatePage()
        self.page.write(state(), self.now_s)
        ledger = Ledger()
        self.board = Board(Counters(["a.example"]), 1)
        ledger.add(self.board)
        self.endpoint = Endpoint(ledger, self.page, facts(), Machine(folder), lambda: self.now_s)

    def ask(self, target: str, method: str = "GET", *lines: str) -> Reply:
        head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost:9000", *lines, "", ""])
        return self.endpoint.answer(parse_head(head.encode(), HeadLimits()), int(NOW_S))

    def text(self, target: str) -> str:
        return b"".join(part for part in self.ask(target).body if isinstance(part, bytes)).decode()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_is_answered_and_kept_by_nobody(path: str, desk: Desk) -> None:
    reply = desk.ask(path)
    assert reply.status == 200
    assert b"\r\nCache-Control: no-store\r\n" in reply.head
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in reply.head
    assert b"\r\nCross-Origin-Resource-Policy: same-origin\r\n" in reply.head
    assert not reply.close


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_the_body(path: str, desk: Desk) -> None:
    head = desk.ask(path, "HEAD")
    assert (head.head, head.body) == (desk.ask(path).head, ())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_done_by_it(method: str, desk: Desk) -> None:
    reply = desk.ask("/status", method)
    assert reply.status == 405
    assert b"\r\nAllow: GET, HEAD\r\n" in reply.head


@pytest.mark.parametrize("target", ["/index.html", "/metrics/", "//", "/healthz/..", "*", "http://a/metrics"])
def test_all_else_is_not_found(target: str, desk: Desk) -> None:
    assert desk.ask(target, "OPTIONS" if target == "*" else "GET").status == 404


def test_a_query_changes_nothing(desk: Desk) -> None:
    assert desk.ask("/healthz?verbose=1").status == 200


def test_each_reply_tells_of_its_own_moment(desk: Desk) -> None:
    slot = desk.board.slot(0)
    counts = slot.begin()
    assert json.loads(desk.text("/status"))["connections"]["accepted"] == 0
    counts[ACCEPTED] = 10
    slot.show(counts)
    desk.now_s += 2.0
    status = json.loads(desk.text("/status"))
    assert (status["connections"]["accepted"], status["now"]["connections_per_s"]) == (10, 5.0)
    assert "ktlsserve_connections_accepted_total 10.0\n" in desk.text("/metrics")


def test_a_supervisor_that_is_silent_is_noticed(desk: Desk) -> None:
    desk.now_s += 60.0
    assert [desk.ask(path).status for path in ("/healthz", "/readyz", "/status")] == [503, 503, 200]


def test_the_kernels_counters_are_read_each_time(desk: Desk, tmp_path: Path) -> None:
    assert json.loads(desk.text("/status"))["kernel_tls_stat"] is None
    (tmp_path / "proc" / "net").mkdir(parents=True)
    file = tmp_path / "proc" / "net" / "tls_stat"
    file.write_text("TlsCurrTxSw                     3\n")
    assert json.loads(desk.text("/status"))["kernel_tls_stat"] == {"TlsCurrTxSw": 3}


def test_counters_that_can_not_be_read_are_none(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "proc" / "net" / "tls_stat").mkdir(parents=True)
    assert json.loads(desk.text("/status"))["kernel_tls_stat"] is None


def test_the_page_says_what_may_be_loaded(desk: Desk) -> None:
    assert CONTENT_SECURITY_POLICY in desk.ask("/").head
    assert b"Content-Security-Policy" not in desk.ask("/status").head


def test_metrics_come_in_the_format_that_is_asked_for(desk: Desk) -> None:
    assert b"Content-Type: text/plain; version=0.0.4" in desk.ask("/metrics").head
    asked = desk.ask("/metrics", "GET", "Accept: application/openmetrics-text; version=1.0.0")
    assert b"Content-Type: application/openmetrics-text" in asked.head
