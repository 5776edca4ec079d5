"""``ktlsserve healthcheck``: ask a server on this machine whether it is ready, for those that look at exit statuses.

A container runtime starts this every few seconds, in the place of curl, which the image has not. It reads what the
server reads (file and environment), so that it asks where the server listens. One address is enough, the first of
``server.listen``: all workers accept on all of them. What it asks there is ``server.ready_path``; where the
configuration has none, the admin endpoint's ``/readyz``; where it has no such endpoint either, ``/``, and any answer
but that of a server in trouble will do.

The certificate is not looked at: it is another's business whom clients trust, and the server's own may be self-signed.
Only status 0 and 1 are returned: Docker reserves 2.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ktlsserve.address import Address
from ktlsserve.errors import EXIT_BUG, EXIT_OK, KtlsServeError, Unhealthy

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from ktlsserve.config import Config
    from ktlsserve.networks import Networks

ADMIN_PATH = "/readyz"
# Where what listens on all interfaces is reached from within.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
# Version 2, command LOCAL, unspecified family, no more bytes (section 2.2 of the PROXY protocol's specification): a
# connection that the one who makes it makes for itself.
_LOCAL_HEADER = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
# Status line and fields are shorter, and of a body only the first line is shown.
_ANSWER_BYTES = 16 * 1024
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked where: ``path`` over TLS or not, and whether an answer other than 200 will do (``lenient``).

    ``balancers`` are the networks from which a connection must begin with a PROXY header, ``certificate_wanted`` says
    that a client without a certificate is refused: then the refusal is an answer.
    """

    address: Address
    tls: bool
    path: str
    lenient: bool = False
    balancers: Networks | None = None
    certificate_wanted: bool = False

    @property
    def url(self) -> str:
        """What is asked, as people write it."""
        return f"{'https' if self.tls else 'http'}://{self.address}{self.path}"


def run_healthcheck(parsed: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Ask what the command line says, or the configuration; return the exit status, and say why in one line."""
    try:
        for question in questions(parsed, environ):
            print(f"healthy: {question.url}: {ask(question, parsed.timeout)}")
    except KtlsServeError as error:
        print(f"not healthy: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BUG
    return EXIT_OK


def questions(parsed: argparse.Namespace, environ: Mapping[str, str]) -> Iterator[Question]:
    """Yield what to ask; raises KtlsServeError where that can't be told."""
    if parsed.url is not None:
        yield of_url(parsed.url)
        return
    # Only here, because a question by its URL needs none of it.
    from ktlsserve.config.file import load_config  # noqa: PLC0415
    from ktlsserve.environment import read_environment  # noqa: PLC0415

    said = read_environment(environ)
    file = parsed.config or said.values.get("config")
    config = load_config(file, said.overrides(), said.sources(), root_needed=False)
    for address in parsed.address:
        yield replace(of_listener(config), address=_reachable(address))
    if not parsed.address:
        question = of_config(config)
        if question.address.port == 0:
            raise Unhealthy(f"the configuration has the kernel choose a port ({question.address}): name the address")
        yield question


def of_config(config: Config) -> Question:
    """Return what tells most of a server with ``config``: the way that clients come, if it may be asked there."""
    listener = of_listener(config)
    if config.admin.listen and (listener.lenient or listener.certificate_wanted):
        return Question(_reachable(config.admin.listen[0]), tls=False, path=ADMIN_PATH)
    return listener


def of_listener(config: Config) -> Question:
    """Return what can be asked of the first listener."""
    from ktlsserve.networks import Networks  # noqa: PLC0415

    return Question(
        _reachable(config.server.listen[0]),
        tls=config.tls.mode != "off",
        path=config.server.ready_path or "/",
        lenient=not config.server.ready_path,
        balancers=Networks(config.server.proxy_protocol) if config.server.proxy_protocol else None,
        certificate_wanted=config.tls.mode != "off" and config.tls.client_auth == "required",
    )


def of_url(url: str) -> Question:
    """Return the question that a URL is; raises Unhealthy."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Unhealthy(f"{url}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unhealthy(f"{url!r} is no URL: write https://127.0.0.1:8443/readyz")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or not path.isprintable() or " " in path:
        raise Unhealthy(f"{url!r} has characters that a URL can't have: percent-encode them")
    return Question(Address(parts.hostname, port or (443 if tls else 80)), tls, path)


def ask(question: Question, timeout_s: float) -> str:
    """Ask, and return what was answered, in words; raises Unhealthy where that isn't what a ready server says.

    The time is for all of it together.
    """
    deadline_s = time.monotonic() + timeout_s
    try:
        status, text = _status_and_text(_exchange(question, deadline_s))
    except TimeoutError:
        raise Unhealthy(f"{question.url}: no answer within {timeout_s:g} s") from None
    except ssl.SSLError as error:
        reason = str(error.reason or error.strerror or error).replace("_", " ").lower()
        if question.certificate_wanted and "certificate required" in reason:
            return "a client certificate is required"
        raise Unhealthy(f"{question.url}: TLS: {reason}") from None
    except OSError as error:
        raise Unhealthy(f"{question.url}: {error.strerror or error}") from None
    if status != 200 and not (question.lenient and status < 500):
        raise Unhealthy(f"{question.url}: {status} {text.removeprefix(str(status)).strip()}".rstrip())
    return str(status)


def _exchange(question: Question, deadline_s: float) -> bytes:
    """Return what the server sends, as far as it fits; raises OSError (TimeoutError, ssl.SSLError)."""
    address = question.address
    with socket.create_connection((address.host, address.port), _left(deadline_s)) as plain:
        if question.balancers is not None and ip_address(plain.getsockname()[0]) in question.balancers:
            plain.sendall(_LOCAL_HEADER)
        connection = _over_tls(plain, deadline_s) if question.tls else plain
        with connection:
            head = f"GET {question.path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n"
            connection.settimeout(_left(deadline_s))
            connection.sendall(f"{head}User-Agent: ktlsserve-healthcheck\r\n\r\n".encode("ascii"))
            answer = b""
            while len(answer) < _ANSWER_BYTES:
                connection.settimeout(_left(deadline_s))
                received = connection.recv(_ANSWER_BYTES)
                if not received:
                    break
                answer += received
            return answer


def _over_tls(plain: socket.socket, deadline_s: float) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    plain.settimeout(_left(deadline_s))
    return context.wrap_socket(plain, server_hostname="localhost")


def _left(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _status_and_text(answer: bytes) -> tuple[int, str]:
    """Return the status, and the first line of the body; raises Unhealthy for what is no answer (RFC 9112 section 4).

    Nothing at all is what a server sends that refuses a connection.
    """
    head, _, body = answer.partition(b"\r\n\r\n")
    version, _, rest = head.partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/1.") or not status.isdigit():
        raise Unhealthy("the connection was closed without an answer" if not answer else "the answer isn't HTTP")
    first_line = body.partition(b"\n")[0].decode("utf-8", "replace")
    return int(status), "".join(character for character in first_line if character.isprintable())[:_SHOWN_CHARACTERS]


def _reachable(address: Address) -> Address:
    return Address(_LOOPBACK.get(address.host, address.host), address.port)
