"""Several servers with one file of ticket keys: each resumes the sessions of the others, as on several machines."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ktlsserve.errors import EXIT_STARTUP
from tests.support.clients import Choice, s_client
from tests.support.server import CHECKOUT, Server
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.slow

CHOICES = (Choice("1.3", "AES-128-GCM"), Choice("1.2", "AES-128-GCM"))
PATH = "/hello.txt"


def make_key(folder: Path, name: str) -> Path:
    """Make a key as the documents say."""
    file = folder / name
    file.touch(0o600)
    with file.open("wb") as stream:
        subprocess.run(["openssl", "rand", "80"], stdout=stream, check=True)
    return file


def serve(folder: Path, tree: Path, keys: Sequence[Path]) -> Server:
    # One certificate for all: clients resume only with whom they know.
    return Server(folder, tree, tls="userspace", settings={"tls.ticket_keys": [str(key) for key in keys]})


def is_resumed(server: Server, choice: Choice, options: Sequence[str]) -> bool:
    mark = server.log_mark()
    s_client(server, [PATH], choice, options)
    return server.wait_for_log(r"worker\.handshaking: .* resumed=(True|False) ", since=mark)[1] == "True"


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_servers_with_the_same_keys_resume_each_others_sessions(tmp_path: Path, tree: Path, choice: Choice) -> None:
    key, other = make_key(tmp_path, "key"), make_key(tmp_path, "other")
    session = tmp_path / "session.pem"
    save, use = ["-sess_out", str(session)], ["-sess_in", str(session)]
    with (
        serve(tmp_path / "one", tree, [key]) as one,
        serve(tmp_path / "two", tree, [key]) as two,
        serve(tmp_path / "three", tree, [other]) as three,
        serve(tmp_path / "four", tree, []) as four,
    ):
        assert not is_resumed(one, choice, save)
        assert is_resumed(two, choice, use)
        assert is_resumed(one, choice, use)
        assert not is_resumed(three, choice, use)
        assert not is_resumed(four, choice, use)


def test_keys_are_replaced_without_breaking_sessions(tmp_path: Path, tree: Path) -> None:
    now, before, new = (make_key(tmp_path, name) for name in ("now", "before", "new"))
    session = tmp_path / "session.pem"
    save, use = ["-sess_out", str(session)], ["-sess_in", str(session)]
    with serve(tmp_path / "one", tree, [now, before]) as server:
        assert not is_resumed(server, CHOICES[0], save)
        mark = server.log_mark()
        now.rename(before)
        new.rename(now)
        server.wait_for_log("workers serve with the new configuration", since=mark)
        # Under the key that was new when the session began; what is put into its place is under the newest.
        assert is_resumed(server, CHOICES[0], [*use, *save])
        mark = server.log_mark()
        make_key(tmp_path, "next").rename(before)
        server.wait_for_log("workers serve with the new configuration", since=mark)
        assert is_resumed(server, CHOICES[0], use)


def test_a_file_that_is_no_key_is_an_error(tmp_path: Path, tree: Path) -> None:
    file = tmp_path / "ticket.key"
    file.touch(0o600)
    file.write_bytes(os.urandom(64))
    config = tmp_path / "server.toml"
    config.write_text(f'[server]\nroot = "{tree}"\nlisten = ["127.0.0.1:0"]\n[tls]\nticket_keys = ["ticket.key"]\n')
    command = [sys.executable, "-m", "ktlsserve", "serve", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S, cwd=CHECKOUT)
    assert done.returncode == EXIT_STARTUP
    assert re.search(rf"{file}: a ticket key has 80 or 48 bytes, this file 64; make one by", done.stderr)
    assert "Traceback" not in done.stderr
