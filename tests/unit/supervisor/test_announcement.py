from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ktlsserve.address import Address
from ktlsserve.config import Config, Server
from ktlsserve.supervisor.announcement import Announcement
from ktlsserve.supervisor.generation import Generation
from ktlsserve.supervisor.listeners import Listener
from ktlsserve.worker.service import Service

CONFIG = Config(server=Server(root=Path("/srv/www")))


@pytest.fixture
def listeners() -> Iterator[tuple[Listener, Listener]]:
    with closing(socket.socket()) as one, closing(socket.socket()) as two:
        yield (
            Listener(one, Address("127.0.0.1", 0), "127.0.0.1:443"),
            Listener(two, Address("127.0.0.1", 0), "127.0.0.1:80"),
        )


def generation(label: str | None, *redirecting: Listener) -> Generation:
    service = SimpleNamespace(
        tls=None if label is None else SimpleNamespace(plan=SimpleNamespace(label=label)),
        redirect_listeners=tuple(listener.sock for listener in redirecting),
    )
    return Generation(cast("Service", service), 2)


def test_each_address_is_said_once(listeners: tuple[Listener, Listener], capsys: pytest.CaptureFixture[str]) -> None:
    first, second = listeners
    announcement = Announcement()
    announcement.announce(CONFIG, generation("kernel", second), listeners)
    assert capsys.readouterr().out.splitlines() == [
        "listening on https://127.0.0.1:443 tls=kernel workers=2 root=/srv/www",
        "listening on http://127.0.0.1:80 tls=off workers=2 redirect=https",
    ]
    announcement.announce(CONFIG, generation("kernel", second), listeners)
    assert capsys.readouterr().out == ""
    # Given up, and bound again.
    announcement.announce(CONFIG, generation(None), [first])
    announcement.announce(CONFIG, generation(None), listeners)
    assert capsys.readouterr().out == "listening on http://127.0.0.1:80 tls=off workers=2 root=/srv/www\n"


def test_nobody_who_reads_it_is_no_obstacle(
    listeners: tuple[Listener, Listener], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as pipe:  # noqa: PTH123 - a descriptor has no path
        monkeypatch.setattr("sys.stdout", pipe)
        Announcement().announce(replace(CONFIG), generation(None), listeners[:1])
        monkeypatch.undo()
        assert (
            "listening on http://127.0.0.1:443 tls=off workers=2 root=/srv/www (standard output: Broken pipe)"
            in caplog.text
        )
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)
