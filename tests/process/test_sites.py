"""Several sites, rules and the redirect to HTTPS, as a real server with workers, caches and finished replies."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import bcrypt
import pytest

from tests.support.server import Server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sites")
    other = folder / "other"
    challenges = folder / "acme" / ".well-known" / "acme-challenge"
    other.mkdir()
    challenges.mkdir(parents=True)
    (other / "index.html").write_text("the other site")
    (other / "big.bin").write_bytes(b"other" * 20_000)
    (challenges / "token").write_text("proof")
    (folder / "users").write_bytes(b"alice:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(10)))
    settings: dict[str, object] = {
        "http.unknown_host": "421",
        "defaults.hsts_s": 60,
        "rule": [{"path": "/*.txt", "cache_control": "immutable"}],
        "site": [
            {
                "names": ["a.example"],
                "rule": [
                    {"path": "/docs/**", "deny": True},
                    {"path": "/noindex/**", "auth": {"realm": "Staff", "users": str(folder / "users")}},
                ],
            },
            {"names": ["*.b.example"], "root": str(other), "rule": [{"path": "/app/**", "fallback": "/index.html"}]},
        ],
        "redirect.listen": ["127.0.0.2:0"],
        "redirect.acme_root": str(folder / "acme"),
    }
    with Server(folder / "server", tree, tls="userspace", settings=settings) as started:
        yield started


def ask(server: Server, host: str, path: str, user: str = "") -> tuple[int, dict[str, str], bytes]:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    context.check_hostname = False
    connection = http.client.HTTPSConnection(server.host, server.port, timeout=TIMEOUT_S, context=context)
    return fetch(
        connection, host, path, {"Authorization": "Basic " + b64encode(user.encode()).decode()} if user else {}
    )


def ask_redirect(server: Server, host: str, path: str) -> tuple[int, dict[str, str], bytes]:
    line = re.compile(r"^listening on http://(127\.0\.0\.2):(\d+) tls=off workers=1 redirect=https$", re.MULTILINE)
    match = wait_until(lambda: line.search(server.output()), "the line of the redirect's listener")
    return fetch(http.client.HTTPConnection(match[1], int(match[2]), timeout=TIMEOUT_S), host, path, {})


def fetch(
    connection: http.client.HTTPConnection, host: str, path: str, fields: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    """Ask twice over one connection: worked out, and from what was kept; both must be the same."""
    found = []
    for _ in range(2):
        connection.request("GET", path, headers={"Host": host, **fields})
        reply = connection.getresponse()
        headers = {name: value for name, value in reply.getheaders() if name != "Date"}
        found.append((reply.status, headers, reply.read()))
    connection.close()
    assert found[0] == found[1]
    return found[0]


def test_the_host_chooses_the_folder(server: Server) -> None:
    assert ask(server, "a.example", "/")[2].startswith(b"<!doctype html><title>home")
    assert ask(server, "x.b.example:8443", "/")[2] == b"the other site"
    assert ask(server, "X.B.example.", "/big.bin")[2] == b"other" * 20_000
    assert len(ask(server, "a.example", "/big.bin")[2]) == 256 * 1024
    assert ask(server, "a.example", "/")[1]["Strict-Transport-Security"] == "max-age=60"


def test_an_unknown_host_is_refused(server: Server) -> None:
    status, headers, _ = ask(server, "b.example", "/")
    assert (status, headers["Connection"]) == (421, "close")


def test_each_site_has_its_own_rules_and_those_of_all(server: Server) -> None:
    assert ask(server, "a.example", "/docs/guide.html")[0] == 403
    assert ask(server, "x.b.example", "/app/route") == (*ask(server, "x.b.example", "/")[:2], b"the other site")
    assert "immutable" in ask(server, "a.example", "/hello.txt")[1]["Cache-Control"]


def test_plain_http_is_sent_to_https(server: Server) -> None:
    status, headers, _ = ask_redirect(server, "x.b.example:80", "/a?b")
    assert (status, headers["Location"]) == (308, f"https://x.b.example:{server.port}/a?b")
    assert ask_redirect(server, "evil.example", "/")[0] == 421
    assert ask_redirect(server, "a.example", "/.well-known/acme-challenge/token")[2] == b"proof"


def test_users_are_let_in_and_others_are_asked_who_they_are(server: Server) -> None:
    path = "/noindex/file.txt"
    status, headers, _ = ask(server, "a.example", path)
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="Staff", charset="UTF-8"')
    assert ask(server, "a.example", path, "alice:guess")[0] == 401
    assert ask(server, "a.example", path, "bob:secret")[0] == 401
    assert ask(server, "a.example", path, "alice:secret")[::2] == (200, b"in a folder without an index\n")
    assert ask(server, "a.example", path)[0] == 401


def test_many_wait_for_one_verdict_while_others_are_served(server: Server) -> None:
    """Requests behind a pending one wait too, on their connections only, and all come in order."""
    credentials = b64encode(b"alice:secret, but not quite").decode()
    pending = (
        f"GET /noindex/file.txt HTTP/1.1\r\nHost: a.example\r\nAuthorization: Basic {credentials}\r\n\r\n".encode()
    )
    behind = b"GET /hello.txt HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
    context = ssl.create_default_context(cafile=str(server.ca_file))
    context.check_hostname = False
    with ExitStack() as stack:
        connections = []
        for _ in range(8):
            sock = stack.enter_context(socket.create_connection(server.address, TIMEOUT_S))
            connections.append(stack.enter_context(context.wrap_socket(sock)))
        for connection in connections:
            connection.sendall(pending * 2 + behind)
        assert ask(server, "a.example", "/hello.txt")[0] == 200
        for connection in connections:
            received = b"".join(iter(partial(connection.recv, 65536), b""))
            assert re.findall(rb"HTTP/1\.1 (\d+)", received) == [b"401", b"401", b"200"]
            assert received.endswith(b"hello, world\n")
