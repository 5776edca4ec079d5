"""``python -m loadtests.baselines NAME ROOT``: start one of the servers on a tree, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loadtests.baselines import BASELINES, Baseline, BaselineError, Site, debian, nginx_h3
from loadtests.bench.certificate import make_certificate
from loadtests.bench.place import HOST
from loadtests.bench.processors import parse_cpu_list


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; the status is 0 after a stop, 1 where the server ended or didn't start, 2 for wrong arguments."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.listing:
        print("\n".join(_line(baseline) for baseline in BASELINES.values()))
        return 0
    if options.fetch:
        return _fetch()
    _check(parser, options)
    # As Ctrl-C does: whoever ends us by SIGTERM must not leave the server behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="ktlsserve-certificate-") as folder:
            _serve(BASELINES[options.name], _site(options, Path(folder)), options)
    except BaselineError as error:
        print(f"baselines: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 1


def _serve(baseline: Baseline, site: Site, options: argparse.Namespace) -> None:
    with baseline.start(site, options.address, options.port, sorted(options.cpus)) as running:
        print(f"ready {running.name} {running.url} protocol={running.protocol} pid={running.pid}", flush=True)
        status = running.wait()
        print(f"baselines: error: {running.name} ended with status {status}: {running.last_words()}", file=sys.stderr)


def _fetch() -> int:
    """Fetch what can be had without being installed: nginx with HTTP/3."""
    if nginx_h3.missing():
        try:
            debian.fetch()
        except BaselineError as error:
            print(f"baselines: error: {error}", file=sys.stderr)
            return 1
    print(nginx_h3.version())
    return 0


def _site(options: argparse.Namespace, folder: Path) -> Site:
    """Return what is served; without a certificate one is made, that of localhost, which clients then trust."""
    if options.cert is not None:
        return Site(options.root, options.cert, options.key, options.ca or options.cert)
    pem = folder / "server.pem"
    make_certificate(pem)
    return Site(options.root, pem, pem, pem)


def _line(baseline: Baseline) -> str:
    missing = baseline.missing()
    return f"{baseline.name:<17} {baseline.protocol:<9} {f'missing: {missing}' if missing else baseline.version()}"


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.name is None or options.root is None:
        parser.error("NAME and ROOT are needed, or --list")
    if options.name not in BASELINES:
        parser.error(f"no baseline is called {options.name!r}; there are {', '.join(BASELINES)}")
    if (options.cert is None) is not (options.key is None):
        parser.error("--cert and --key belong together")
    for path in (options.root, options.cert, options.key, options.ca):
        if path is not None and not path.exists():
            parser.error(f"{path} doesn't exist")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.baselines", description="Start a server to compare with, and say when it is ready."
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help=", ".join(BASELINES))
    parser.add_argument("root", nargs="?", type=Path, metavar="ROOT", help="the tree that it serves")
    parser.add_argument("--address", default=HOST, metavar="IP", help="[%(default)s]")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="[a free one]")
    parser.add_argument("--cert", type=Path, metavar="FILE", help="PEM, for the address [one made for localhost]")
    parser.add_argument("--key", type=Path, metavar="FILE", help="PEM")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="what the question whether it is ready trusts [--cert]")
    parser.add_argument("--cpus", type=parse_cpu_list, default=set(), metavar="LIST", help="e.g. 0 or 0-1 [all]")
    parser.add_argument("--list", action="store_true", dest="listing", help="show what there is and what is missing")
    parser.add_argument("--fetch", action="store_true", help="have nginx with HTTP/3 in the cache, and nothing else")
    return parser


if __name__ == "__main__":
    sys.exit(main())
