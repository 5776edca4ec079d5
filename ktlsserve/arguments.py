"""What can be said on the command line, and what it means for the configuration."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, get_args

from ktlsserve import __version__
from ktlsserve.address import parse_address
from ktlsserve.config import LogFormat, LogLevel, TlsMode
from ktlsserve.config.checks import WorkerCount
from ktlsserve.errors import ConfigError, UsageError
from ktlsserve.networks import parse_network

COMMANDS = ("serve", "doctor", "check", "compress", "etags")

DESCRIPTION = """\
Serve a folder of static files over HTTPS. Python does the TLS handshake, the
Linux kernel encrypts (kTLS), and files go from the page cache to the network
without a detour."""

USAGE = """\
ktlsserve [serve] ROOT [options]
       ktlsserve serve --config FILE [ROOT] [options]
       ktlsserve doctor [--json]
       ktlsserve check FILE
       ktlsserve compress ROOT [options]
       ktlsserve etags ROOT [options]"""

EPILOG = """\
other commands:
  doctor [--json]          tell what this machine can do, and for each 'no' the
                           reason and the cure
  check FILE               tell all that is wrong with a configuration file
  compress ROOT            make app.js.br and the like, to be sent instead
  etags ROOT               make app.js.etag and the like, for etags = "sidecar"

examples:
  ktlsserve ./site
  ktlsserve ./site --listen 0.0.0.0:443 --listen [::]:443 \\
      --cert example.org.pem --key example.org.key
  ktlsserve serve --config /etc/ktlsserve.toml --log-format json

Options override the configuration file. A folder that is called like a
command is written as ./serve. SIGTERM and SIGINT finish what is being sent and
stop, SIGHUP reads the configuration and the certificates again, SIGUSR1 opens
the access log anew, SIGUSR2 replaces the program on the same sockets.
Exit status: 0 stopped as asked, 2 wrong arguments or configuration, 3 could
not start, 1 anything else."""

DOCTOR_DESCRIPTION = """\
Tell what this machine can do, and for each 'no' the reason and the cure. As
root, the probe itself may load the kernel's module tls."""

DOCTOR_EPILOG = """\
examples:
  ktlsserve doctor
  ktlsserve doctor --json | python3 -c \\
      'import json, sys; print(json.load(sys.stdin)["kernel"]["available"])'

Exit status: 0, whatever is found; a script looks at kernel.available in the
JSON."""

CHECK_DESCRIPTION = """\
Tell all that is wrong with a configuration file, and with the files that it
names: each error with its key and line."""

CHECK_EPILOG = """\
examples:
  ktlsserve check /etc/ktlsserve.toml
  ktlsserve check ktlsserve.toml && kill -HUP "$(cat /run/ktlsserve.pid)"

Exit status: 0 nothing is wrong, 2 something is."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are UsageErrors, and whose help fits into 80 columns."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, add_help=False, formatter_class=_Formatter, **options)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing the usage and leaving."""
        raise UsageError(f"{message}\ntry '{self.prog} --help'")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse ``arguments``; raise UsageError, which names what was perhaps meant."""
        parsed, unknown = self.parse_known_args(arguments)
        if unknown:
            self.error(self._unknown(unknown[0]))
        return parsed

    def _unknown(self, argument: str) -> str:
        if not argument.startswith("-"):
            return f"unexpected argument: {argument}"
        option = argument.partition("=")[0]
        close = get_close_matches(option, self._option_string_actions, n=1)
        return f"unknown option: {option}" + (f"; did you mean {close[0]}?" if close else "")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=27, width=79)


def serve_parser() -> Parser:
    """Return the parser of ``serve``; its help is the program's."""
    parser = Parser(prog="ktlsserve", usage=USAGE, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("root", metavar="ROOT", nargs="?", type=_not_empty, help="the folder to serve")
    group = parser.add_argument_group("serving")
    group.add_argument("--config", metavar="FILE", type=_file, help="TOML file with all settings")
    group.add_argument(
        "--listen",
        metavar="HOST:PORT",
        action="append",
        type=_address,
        help="where to listen; repeatable; port 0 picks one (default: 127.0.0.1:8443)",
    )
    group.add_argument(
        "--proxy-protocol",
        metavar="CIDR",
        action="append",
        type=_network,
        help="require a PROXY header, version 1 or 2, from this network, and take none from others; repeatable "
        "(default: none)",
    )
    group.add_argument(
        "--workers", metavar="N|auto", type=_workers, help="processes that serve (default: auto, one per usable CPU)"
    )
    group.add_argument(
        "--user",
        metavar="USER",
        type=_not_empty,
        help="whom the workers become once all is bound (default: nobody else)",
    )
    group = parser.add_argument_group("encryption")
    group.add_argument(
        "--cert",
        metavar="FILE",
        action="append",
        type=_not_empty,
        default=[],
        help="PEM, certificate and intermediate ones; repeatable",
    )
    group.add_argument(
        "--key",
        metavar="FILE",
        action="append",
        type=_not_empty,
        default=[],
        help="PEM, its private key (default for both: a self-signed certificate for localhost, made once and kept)",
    )
    group.add_argument(
        "--tls",
        metavar="MODE",
        choices=get_args(TlsMode),
        help="auto (default): the kernel encrypts where it can, else OpenSSL in userspace; kernel: don't start if the "
        "kernel can't; userspace: always OpenSSL; off: plain HTTP",
    )
    group = parser.add_argument_group("operation")
    group.add_argument(
        "--admin",
        metavar="HOST:PORT",
        action="append",
        type=_address,
        help="/healthz, /readyz, /metrics, /status and a page for people, over plain HTTP; repeatable (default: none)",
    )
    group = parser.add_argument_group("logs")
    group.add_argument(
        "--access-log",
        metavar="FILE|-|off",
        type=_not_empty,
        help="a line for every request, to a file or (-) standard output (default: off)",
    )
    group.add_argument(
        "--log-level",
        metavar="LEVEL",
        choices=get_args(LogLevel),
        help="least important messages logged: debug, info (default), warning, error",
    )
    group.add_argument(
        "--log-format",
        metavar="text|json",
        choices=get_args(LogFormat),
        help="for people (default) or for collectors; always to standard error",
    )
    add_information(parser)
    return parser


def doctor_parser() -> Parser:
    """Return the parser of ``doctor``."""
    parser = Parser(
        prog="ktlsserve doctor",
        usage="ktlsserve doctor [--json]",
        description=DOCTOR_DESCRIPTION,
        epilog=DOCTOR_EPILOG,
    )
    group = parser.add_argument_group("report")
    group.add_argument("--json", action="store_true", help="for programs")
    add_information(parser)
    return parser


def check_parser() -> Parser:
    """Return the parser of ``check``."""
    parser = Parser(
        prog="ktlsserve check", usage="ktlsserve check FILE", description=CHECK_DESCRIPTION, epilog=CHECK_EPILOG
    )
    parser.add_argument("file", metavar="FILE", type=_file, help="TOML file, as for serve --config")
    add_information(parser)
    return parser


def overrides_of(parsed: argparse.Namespace) -> dict[str, object]:
    """Return what ``serve`` was told, as ``load_config`` takes it: values by key path, paths absolute.

    Raises UsageError where arguments don't fit each other.
    """
    said: dict[str, object] = {}
    if parsed.root is not None:
        said["server.root"] = _absolute(parsed.root)
    if parsed.listen:
        said["server.listen"] = parsed.listen
    if parsed.proxy_protocol:
        said["server.proxy_protocol"] = parsed.proxy_protocol
    if parsed.admin:
        said["admin.listen"] = parsed.admin
    if parsed.workers is not None:
        said["server.workers"] = parsed.workers
    if len(parsed.cert) != len(parsed.key):
        raise UsageError(
            f"--cert was given {len(parsed.cert)} times and --key {len(parsed.key)} times: each certificate has its key"
        )
    if parsed.cert:
        pairs = zip(parsed.cert, parsed.key, strict=True)
        said["tls.certificates"] = [{"cert": _absolute(cert), "key": _absolute(key)} for cert, key in pairs]
    if parsed.access_log is not None:
        words = ("off", "-")
        said["log.access_log"] = parsed.access_log if parsed.access_log in words else _absolute(parsed.access_log)
    if parsed.user is not None:
        said["server.user"] = parsed.user
    plain = {"tls.mode": parsed.tls, "log.level": parsed.log_level, "log.format": parsed.log_format}
    return said | {key: value for key, value in plain.items() if value is not None}


def add_information(parser: Parser) -> None:
    """Add the options that every command has."""
    group = parser.add_argument_group("information")
    group.add_argument("-h", "--help", action="help", help="show this and exit")
    group.add_argument("--version", action="version", version=f"ktlsserve {__version__}", help="show it and exit")


def _absolute(path: str) -> str:
    return str(Path(path).absolute())


def _address(text: str) -> str:
    try:
        parse_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _network(text: str) -> str:
    try:
        parse_network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _workers(text: str) -> int | str:
    try:
        return WorkerCount().accept(int(text) if text.isdecimal() else text, Path())
    except ConfigError as error:
        raise argparse.ArgumentTypeError(error.problems[0][1]) from None


def _not_empty(text: str) -> str:
    """Refuse the empty path that an unset variable of the shell becomes: it would mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("is empty")
    return text


def _file(text: str) -> Path:
    return Path(_not_empty(text))
