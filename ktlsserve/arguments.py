"""What can be said on the command line; of ``serve`` it is the table in ``options``.

That table is imported with all of the configuration, so only where it is needed: ``healthcheck --url`` starts often.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ktlsserve import __version__
from ktlsserve.address import parse_address
from ktlsserve.errors import UsageError

if TYPE_CHECKING:
    from ktlsserve.options import Said

LONGEST_TIMEOUT_S = 3600

COMMANDS = ("serve", "doctor", "check", "healthcheck", "compress", "etags")

DESCRIPTION = """\
Serve a folder of static files over HTTPS. Python does the TLS handshake, the
Linux kernel encrypts (kTLS), and files go from the page cache to the network
without a detour."""

USAGE = """\
ktlsserve [serve] ROOT [options]
       ktlsserve serve --config FILE [ROOT] [options]
       ktlsserve doctor [--json]
       ktlsserve check FILE
       ktlsserve healthcheck [options]
       ktlsserve compress ROOT [options]
       ktlsserve etags ROOT [options]"""

EPILOG = """\
other commands:
  doctor [--json]          tell what this machine can do, and for each 'no' the
                           reason and the cure
  check FILE               tell all that is wrong with a configuration file
  healthcheck              ask a server here whether it is ready
  compress ROOT            make app.js.br and the like, to be sent instead
  etags ROOT               make app.js.etag and the like, for etags = "sidecar"

examples:
  ktlsserve ./site
  ktlsserve ./site --listen 0.0.0.0:443 --listen [::]:443 \\
      --cert example.org.pem --key example.org.key
  ktlsserve serve --config /etc/ktlsserve.toml --log-format json

Options override the environment, where --listen is KTLSSERVE_LISTEN and so on,
and that the configuration file. A folder that is called like a command is
written as ./serve. SIGTERM and SIGINT finish what is being sent and stop,
SIGHUP reads the configuration and the certificates again, SIGUSR1 opens the
access log anew, SIGUSR2 replaces the program on the same sockets.
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


HEALTHCHECK_DESCRIPTION = """\
Ask a server on this machine whether it is ready. Where it listens is read from
its configuration and its environment, as serve does."""

HEALTHCHECK_EPILOG = """\
examples:
  ktlsserve healthcheck
  ktlsserve healthcheck --config /etc/ktlsserve.toml
  ktlsserve healthcheck --url https://127.0.0.1:8443/readyz --timeout 1

Exit status: 0 it is ready, 1 it isn't or can't be asked, 2 wrong arguments."""


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
    from ktlsserve.options import OPTIONS  # noqa: PLC0415

    parser = Parser(prog="ktlsserve", usage=USAGE, description=DESCRIPTION, epilog=EPILOG)
    groups: dict[str, argparse._ArgumentGroup] = {}
    for option in OPTIONS:
        if not option.group:
            parser.add_argument(
                option.name, metavar=option.metavar, nargs="?", type=_typed(option.read), help=option.help
            )
            continue
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        groups[option.group].add_argument(
            option.flag,
            metavar=option.metavar,
            action="append" if option.repeatable else "store",
            type=_typed(option.read),
            choices=option.choices or None,
            help=option.help,
        )
    add_information(parser)
    return parser


def said_by(parsed: argparse.Namespace) -> Said:
    """Return what was said on the command line of ``serve``."""
    from ktlsserve.options import OPTIONS, Said  # noqa: PLC0415

    named = {option.name: option.flag for option in OPTIONS if getattr(parsed, option.name) is not None}
    return Said({name: getattr(parsed, name) for name in named}, named)


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
    parser.add_argument("file", metavar="FILE", type=_typed(_file), help="TOML file, as for serve --config")
    add_information(parser)
    return parser


def healthcheck_parser() -> Parser:
    """Return the parser of ``healthcheck``."""
    parser = Parser(
        prog="ktlsserve healthcheck",
        description=HEALTHCHECK_DESCRIPTION,
        epilog=HEALTHCHECK_EPILOG,
    )
    parser.add_argument(
        "address", metavar="HOST:PORT", nargs="*", type=_typed(parse_address), help="ask there instead, at all of them"
    )
    group = parser.add_argument_group("what to ask")
    group.add_argument("--config", metavar="FILE", type=_typed(_file), help="TOML file, as for serve --config")
    group.add_argument("--url", metavar="URL", help="ask for this alone, without a configuration: 200 is healthy")
    group.add_argument(
        "--timeout", metavar="SECONDS", type=_typed(_seconds), default=3.0, help="for each question (default: 3)"
    )
    add_information(parser)
    return parser


def add_information(parser: Parser) -> None:
    """Add the options that every command has."""
    group = parser.add_argument_group("information")
    group.add_argument("-h", "--help", action="help", help="show this and exit")
    group.add_argument("--version", action="version", version=f"ktlsserve {__version__}", help="show it and exit")


def _seconds(text: str) -> float:
    try:
        span_s = float(text)
    except ValueError:
        span_s = 0.0
    if not 0 < span_s <= LONGEST_TIMEOUT_S:
        raise ValueError(f"must be a number of seconds above 0 and up to {LONGEST_TIMEOUT_S}, not {text!r}")
    return span_s


def _file(text: str) -> Path:
    """Refuse the empty path that an unset variable of the shell becomes: it would mean the current folder."""
    if not text:
        raise ValueError("is empty")
    return Path(text)


def _typed(read: Callable[[str], object]) -> Callable[[str], object]:
    """Have argparse show the message of a ValueError, which it does with an error of its own alone."""

    def typed(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return typed
