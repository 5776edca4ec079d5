"""Servers that aren't fast but wrong, for the comparison to refuse: ``python -m tests.support.faulty_servers ...``
is ``python -m loadtests.compare ...`` with these among the servers.

Each is right at first, as long as it is only looked at; the load finds out. ``serve`` is the server itself.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

from loadtests.baselines import BASELINES, Baseline, Protocol, Running, Site
from loadtests.bench.launch import Launch
from loadtests.bench.peers import python_path
from loadtests.bench.place import HOST, Place
from loadtests.compare.__main__ import main
from loadtests.compare.rounds import CONNECTIONS
from loadtests.compare.scenarios import SCENARIOS
from loadtests.users.scenario import load_scenario

WRONG_BYTE = "wrong-byte"
DIES = "dies"
TCP_ONLY = "tcp-only"


def looks() -> int:
    """Return after how many answers the load is sure to have begun: one for the start, one a file, some connections."""
    files = sum(kind.count for kind in load_scenario(SCENARIOS["small"].file).file)
    return 1 + files + CONNECTIONS + 10


def serve(root: str, address: str, port: str, pem: str, fault: str) -> None:
    """Serve ``root`` until ended, and do what ``fault`` says once there was time to look."""
    answers = count(1)

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = (Path(root) / self.path.lstrip("/")).read_bytes()
            if next(answers) > looks():
                if fault == DIES:
                    os._exit(0)
                if fault == WRONG_BYTE:
                    body = body[:-1] + bytes([body[-1] ^ 1])
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            # What a browser would follow to QUIC, and come back from unnoticed.
            self.send_header("Alt-Svc", f'h3=":{port}"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer((address, int(port)), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


def _launch(place: Place, *, fault: str) -> Launch:
    arguments = [str(place.tree), place.address, str(place.port), str(place.pem), fault]
    return Launch([sys.executable, "-m", "tests.support.faulty_servers", "serve", *arguments], python_path())


@dataclass(frozen=True, slots=True)
class _TcpOnly(Baseline):
    """Says that it speaks HTTP/3, and serves over TLS."""

    @contextmanager
    def start(self, site: Site, address: str = HOST, port: int = 0, cpus: Sequence[int] = ()) -> Iterator[Running]:
        with _baseline(TCP_ONLY).start(site, address, port, cpus) as running:
            yield replace(running, protocol=Protocol.HTTP_3)


def _baseline(name: str, kind: type[Baseline] = Baseline, protocol: Protocol = Protocol.HTTP_1_1) -> Baseline:
    return kind(name, protocol, partial(_launch, fault=name), lambda: None, lambda: "made up")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    BASELINES[WRONG_BYTE] = _baseline(WRONG_BYTE)
    BASELINES[DIES] = _baseline(DIES)
    BASELINES[TCP_ONLY] = _baseline(TCP_ONLY, _TcpOnly, Protocol.HTTP_3)
    sys.exit(main())
