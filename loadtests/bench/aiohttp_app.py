"""aiohttp's static route: ``python -m loadtests.bench.aiohttp_app FOLDER ADDRESS PORT [PEM KEY]``."""

from __future__ import annotations

import ssl
import sys

from aiohttp import web

from loadtests.bench.workloads import FOLDER


def main(arguments: list[str]) -> None:
    """Serve until a signal."""
    folder, address, port, *pem = arguments
    context = None
    if pem:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pem)
    application = web.Application()
    application.router.add_static(f"/{FOLDER}", folder)
    web.run_app(application, host=address, port=int(port), ssl_context=context, access_log=None, print=None)


if __name__ == "__main__":
    main(sys.argv[1:])
