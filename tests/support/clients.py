"""Programs that fetch over HTTPS, each its own TLS implementation or its own use of one, driven alike.

Every driver takes a server, the paths to fetch one after another over as few connections as the program makes (all but
curl's own judgement: one), and what to insist on in the handshake. It returns what arrived of each path, by its hash,
or raises ClientFailed. ``curl``, ``node`` and ``python`` speak plain HTTP too, where the server does.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.http_stream import parse_replies, pipeline
from tests.support.server import Server
from tests.support.waiting import LIMIT_S

_PATH = os.environ["PATH"]
HERE = Path(__file__).parent
VERSIONS = ("1.2", "1.3")
CIPHERS = ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305")

_TLS13_SUITES = {
    "AES-128-GCM": "TLS_AES_128_GCM_SHA256",
    "AES-256-GCM": "TLS_AES_256_GCM_SHA384",
    "CHACHA20-POLY1305": "TLS_CHACHA20_POLY1305_SHA256",
}
_TLS12_SUITES = {
    "AES-128-GCM": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "AES-256-GCM": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "CHACHA20-POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
}


class ClientFailed(Exception):
    """The program ended with an error; ``status`` is its exit status."""

    def __init__(self, program: str, status: int, said: str) -> None:
        self.status = status
        super().__init__(f"{program} ended with status {status}: {said}")


@dataclass(frozen=True, slots=True)
class Choice:
    """The one protocol version and cipher that a client insists on."""

    version: str
    cipher: str

    @property
    def suite(self) -> str:
        """OpenSSL's name of the suite (the server's certificate is ECDSA)."""
        return (_TLS13_SUITES if self.version == "1.3" else _TLS12_SUITES)[self.cipher]

    def __str__(self) -> str:
        return f"{self.version}-{self.cipher}"


ALL_CHOICES = tuple(Choice(version, cipher) for version in VERSIONS for cipher in CIPHERS)


@dataclass(frozen=True, slots=True)
class Received:
    """What arrived for one path."""

    status: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a program fetched, by path, and over how many connections."""

    files: Mapping[str, Received]
    connections: int


Driver = Callable[[Server, Sequence[str], Path, "Choice | None"], Fetched]


def received(status: int, body: bytes) -> Received:
    """Sum a body up."""
    return Received(status, len(body), hashlib.sha256(body).hexdigest())


def curl(server: Server, paths: Sequence[str], folder: Path, choice: Choice | None = None) -> Fetched:
    """Fetch with curl, which keeps its connection alive over the files that it is told of at once."""
    command = ["curl", "--silent", "--show-error", "--cacert", str(server.ca_file)]
    command += ["--write-out", "%{http_code} %{num_connects}\n", "--max-time", str(LIMIT_S)]
    if choice is not None:
        flag = "--tls13-ciphers" if choice.version == "1.3" else "--ciphers"
        command += [f"--tlsv{choice.version}", "--tls-max", choice.version, flag, choice.suite]
    files = [folder / f"curl-{number}" for number, _ in enumerate(paths)]
    for path, file in zip(paths, files, strict=True):
        command += ["--output", str(file), server.url + path]
    lines = _run("curl", command).decode().splitlines()
    arrived = {}
    for path, file, line in zip(paths, files, lines, strict=True):
        # curl makes no file for an empty body.
        arrived[path] = received(int(line.split()[0]), file.read_bytes() if file.exists() else b"")
        file.unlink(missing_ok=True)
    return Fetched(arrived, sum(int(line.split()[1]) for line in lines))


def openssl(server: Server, paths: Sequence[str], folder: Path, choice: Choice | None = None) -> Fetched:
    """Fetch with ``openssl s_client``: all requests at once, the replies as they come."""
    return s_client(server, paths, choice)


def s_client(
    server: Server, paths: Sequence[str], choice: Choice | None = None, options: Sequence[str] = ()
) -> Fetched:
    """Fetch with ``openssl s_client`` and further ``options`` of its own."""
    stream = _run("s_client", [*s_client_command(server, choice), "-ign_eof", *options], pipeline(list(paths)))
    return _fetched(stream, paths)


def s_client_command(server: Server, choice: Choice | None = None) -> list[str]:
    """Return the command line of an s_client that verifies the server and prints nothing but what it receives."""
    command = ["openssl", "s_client", "-brief", "-connect", f"{server.host}:{server.port}", "-servername", "localhost"]
    command += ["-CAfile", str(server.ca_file), "-verify_ip", server.host, "-verify_return_error"]
    if choice is not None:
        flag = "-ciphersuites" if choice.version == "1.3" else "-cipher"
        command += [f"-tls{choice.version.replace('.', '_')}", flag, choice.suite]
    return command


def gnutls(server: Server, paths: Sequence[str], folder: Path, choice: Choice | None = None) -> Fetched:
    """Fetch with gnutls-cli: all requests at once, the replies as they come."""
    command = ["gnutls-cli", f"--logfile={folder / 'gnutls.log'}", f"--x509cafile={server.ca_file}"]
    command += ["--verify-hostname=localhost", "--sni-hostname=localhost", f"--port={server.port}"]
    if choice is not None:
        command.append(
            f"--priority=NONE:+VERS-TLS{choice.version}:+{choice.cipher}:+AEAD:+ECDHE-ECDSA:+GROUP-ALL:+SIGN-ALL"
            ":+COMP-NULL:+CTYPE-SRV-ALL:%SAFE_RENEGOTIATION"
        )
    stream = _run("gnutls-cli", [*command, server.host], pipeline(list(paths)))
    return _fetched(stream, paths)


def node(server: Server, paths: Sequence[str], folder: Path, choice: Choice | None = None) -> Fetched:
    """Fetch with Node's https (or http) module and an agent that keeps one connection alive."""
    command = ["node", str(HERE / "fetch.js"), server.url, str(server.ca_file)]
    command += [f"TLSv{choice.version}", choice.suite] if choice is not None else ["", ""]
    return _reported(_run("node", [*command, *paths]))


def python(server: Server, paths: Sequence[str], folder: Path, choice: Choice | None = None) -> Fetched:
    """Fetch with Python's ssl and http.client, in a process of its own.

    The ssl module can't choose among the suites of TLS 1.3: OpenSSL's configuration does.
    """
    version, ciphers, environment = "", "", {}
    if choice is not None:
        version = choice.version
        config = folder / "python-client.cnf"
        config.write_text(
            f"openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nCiphersuites = {choice.suite}\n"
        )
        if version == "1.3":
            environment["OPENSSL_CONF"] = str(config)
        else:
            ciphers = choice.suite
    command = [sys.executable, "-S", "-E", str(HERE / "fetch.py"), server.url, str(server.ca_file), version, ciphers]
    return _reported(_run("python", [*command, *paths], environment=environment))


DRIVERS: dict[str, Driver] = {"curl": curl, "openssl": openssl, "gnutls": gnutls, "node": node, "python": python}


def _run(program: str, command: list[str], stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes:
    env = {"PATH": _PATH, "LANG": "C.UTF-8", **(environment or {})}
    result = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=2 * LIMIT_S, env=env)
    if result.returncode:
        raise ClientFailed(program, result.returncode, result.stderr.decode(errors="replace"))
    return result.stdout


def _fetched(stream: bytes, paths: Sequence[str]) -> Fetched:
    replies = parse_replies(stream)
    if len(replies) != len(paths) or not replies[-1].complete:
        raise ClientFailed("the client", 0, f"{len(replies)} replies to {len(paths)} requests, the last cut short")
    return Fetched(
        {path: received(reply.status, reply.body) for path, reply in zip(paths, replies, strict=True)}, connections=1
    )


def _reported(output: bytes) -> Fetched:
    """Read what fetch.js and fetch.py print."""
    report = json.loads(output)
    return Fetched({path: Received(**file) for path, file in report["files"].items()}, report["connections"])
