from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from ktlsserve.admin.page import CONTENT_SECURITY_POLICY, page
from ktlsserve.admin.page_script import SCRIPT
from ktlsserve.admin.page_style import STYLE
from ktlsserve.admin.snapshot import Snapshot
from ktlsserve.observe.server_state import Stage, WorkerStage
from tests.support.snapshots import facts, snapshot, state, worker

VOID = {"meta", "link"}


class Tags(HTMLParser):
    """Reads a page; ``open`` are the elements that were never closed, ``ids`` the values of id."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attributes if name == "id"]
        self.attributes |= {name for name, _ in attributes}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attributes if name == "id"]


EMPTY = Snapshot(0.0, facts(), None, 0.0, {}, None, None)
BUSY = snapshot(
    {
        "handshakes": {("TLS 1.3", "AES-128-GCM", "X25519", "yes"): 3},
        "handshake_durations_ns": {(): 30_000_000},
        "sent_bytes": {("sendfile", "kernel"): 5 * 2**30},
        "requests_remembered": {("a.example", "200"): 1234},
        "requests_worked_out": {("a.example", "404"): 6},
        "handshake_failures": {("not_tls",): 2},
    },
    server=state(Stage.READY, worker(0), worker(1, WorkerStage.STARTING), worker(2, alive=False), restarts=2),
    a_while_ago={},
    kernel={"TlsTxDevice": 1, "TlsCurrTxDevice": 1},
)


@pytest.mark.parametrize("taken", [EMPTY, snapshot(), BUSY], ids=["empty", "idle", "busy"])
def test_it_is_well_formed_and_every_id_is_there_once(taken: Snapshot) -> None:
    tags = Tags()
    tags.feed(page(taken).decode())
    assert tags.open == []
    assert len(set(tags.ids)) == len(tags.ids)
    # The policy lets nothing be said in attributes.
    assert not {name for name in tags.attributes if name == "style" or name.startswith("on")}


def test_what_the_script_exchanges_is_there_from_the_start() -> None:
    """An element that only comes later would never be shown."""
    live = [set(re.findall(r'id="([\w-]+)" data-live', page(taken).decode())) for taken in (EMPTY, snapshot(), BUSY)]
    assert live[0] == live[1] == live[2]
    assert {"rate", "stage", "paths", "workers"} <= live[0]


def test_the_policy_lets_in_the_pages_own_style_and_script_alone() -> None:
    text = page(snapshot()).decode()
    for kind, source in (("style", STYLE), ("script", SCRIPT)):
        found = re.search(f"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        assert found is not None
        assert found[1] == source
        assert b"%s-src 'sha256-%b'" % (kind.encode(), b64encode(sha256(found[1].encode()).digest())) in (
            CONTENT_SECURITY_POLICY
        )
    assert CONTENT_SECURITY_POLICY.startswith(b"default-src 'none';")


def test_nothing_comes_from_elsewhere() -> None:
    text = page(BUSY).decode()
    assert set(re.findall(r'(?:href|src)="([^"]*)"', text)) == {"data:,", "metrics", "status", "healthz", "readyz"}
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text


@pytest.mark.parametrize(
    ("taken", "word", "colour"),
    [
        (EMPTY, "starting", "warn"),
        (snapshot(), "ready", "good"),
        (snapshot(server=state(Stage.STOPPING, worker(0, WorkerStage.LEAVING))), "stopping", "warn"),
        (snapshot(server=state(Stage.READY, worker(0, WorkerStage.STARTING))), "no worker serves", "bad"),
        (snapshot(silence_s=60.0), "no word from the supervisor", "bad"),
    ],
)
def test_how_the_server_does_is_said_in_a_word_and_the_title(taken: Snapshot, word: str, colour: str) -> None:
    text = page(taken).decode()
    assert f'<span id="stage" data-live class="stage {colour}">{word}</span>' in text
    assert f"<title>ktlsserve: {word}</title>" in text


def test_the_numbers_are_there_without_a_script() -> None:
    text = page(BUSY).decode()
    assert "2.5 GiB/s" in text
    assert "620/s" in text
    assert "1,240 in all" in text
    assert "99% of the replies were remembered" not in page(EMPTY).decode()
