"""``python -m loadtests.baselines.quic ROOT --cert FILE --key FILE``: the server itself, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ktlsserve.errors import RootError
from ktlsserve.files.mime import MimeTable
from ktlsserve.files.root import Root
from ktlsserve.http1.answer import Site
from loadtests.baselines.quic.batches import segmentation_refused
from loadtests.baselines.quic.connection import Connection
from loadtests.baselines.quic.endpoint import Endpoint
from loadtests.baselines.quic.implementation import NAMES, Implementation, load


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; the status is 0 after a stop, 2 where something is missing or wrong, 3 where the port can't be had."""
    options = _parse(arguments)
    try:
        implementation = load(options.implementation)
    except ImportError as error:
        print(
            f"{options.implementation} can't be imported ({error}): pip install 'ktlsserve[loadtest]'", file=sys.stderr
        )
        return 2
    try:
        configuration = implementation.configuration(options.cert, options.key)
    except (OSError, ValueError, TypeError) as error:
        print(f"no certificate with its key in {options.cert} and {options.key}: {error}", file=sys.stderr)
        return 2
    try:
        root = Root(options.root)
    except RootError as error:
        print(error, file=sys.stderr)
        return 2
    segment = options.gso
    if segment and (reason := segmentation_refused()):
        print(f"{reason}; one datagram for each system call instead", file=sys.stderr)
        segment = False
    family = socket.AF_INET6 if ":" in options.address else socket.AF_INET
    with root, socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((options.address, options.port))
        except OSError as error:
            print(f"can't listen on {options.address} port {options.port}: {error.strerror}", file=sys.stderr)
            return 3
        site = Site(root, MimeTable(), server=implementation.name.encode())
        asyncio.run(_serve(sock, implementation, configuration, site, segment=segment))
    return 0


async def _serve(
    sock: socket.socket, implementation: Implementation, configuration: Any, site: Site, *, segment: bool
) -> None:
    endpoint = Endpoint(sock, segment=segment)

    def create(quic: Any, **_: object) -> Connection:
        return Connection(quic, implementation, site, endpoint)

    server = implementation.server(configuration=configuration, create_protocol=create)
    server.connection_made(endpoint)
    endpoint.receiver = server
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    batching = "batches of datagrams by UDP_SEGMENT" if segment else "one datagram for each system call"
    print(f"{implementation.name} on UDP {sock.getsockname()[:2]}: {batching}", file=sys.stderr)
    await stopping.wait()
    server.close()
    print(endpoint.totals, file=sys.stderr)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.baselines.quic", description="Serve a folder over HTTP/3, in Python."
    )
    parser.add_argument("root", type=Path, metavar="ROOT")
    parser.add_argument("--implementation", choices=NAMES, default=NAMES[0], help="the library [%(default)s]")
    parser.add_argument("--address", default="127.0.0.1", metavar="IP", help="[%(default)s]")
    parser.add_argument("--port", type=int, default=8443, metavar="N", help="of UDP [%(default)s]")
    parser.add_argument("--cert", type=Path, required=True, metavar="FILE", help="PEM")
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="PEM")
    parser.add_argument("--gso", action="store_true", help="have the kernel cut batches of 32 datagrams (UDP_SEGMENT)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
