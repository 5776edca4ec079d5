"""The options of a load test beside Locust's own; wrong files are told before anything is started."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from ktlsserve.errors import ConfigError
from loadtests.users.errors import LoadTestError
from loadtests.users.manifest import read_manifest
from loadtests.users.scenario import SHAPES, load_scenario
from loadtests.users.thresholds import load_thresholds

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
DEFAULT_SCENARIO = SCENARIOS / "website.toml"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; none is in the web interface, because files are read when Locust starts."""

    def add(name: str, text: str, **rest: object) -> None:
        parser.add_argument(name, help=text, include_in_web_ui=False, **rest)  # type: ignore[arg-type]  # Locust's own

    add(
        "--scenario",
        "what users do [website.toml]",
        type=_checked(load_scenario),
        default=str(DEFAULT_SCENARIO),
        metavar="FILE",
    )
    add(
        "--manifest",
        "the right answers, as loadtests.tree writes them [those of the scenario's own files]",
        type=_checked(read_manifest),
        metavar="FILE",
    )
    add(
        "--ca", "the authority of the server's certificate [those of Mozilla]", type=_checked(_readable), metavar="FILE"
    )
    add("--connect-to", "connect there, whatever the host's name leads to", type=_address, metavar="HOST:PORT")
    add("--shape", "how the number of users changes [as the scenario says]", choices=SHAPES)
    add("--turns", "how often each user does something; then the run ends", type=_positive, metavar="N")
    add("--results", "where the results go, as JSON", type=_writable, metavar="FILE")
    add(
        "--thresholds",
        "what may not be exceeded: else the exit status is 1",
        type=_checked(load_thresholds),
        metavar="FILE",
    )
    add(
        "--server-pid",
        "a process of the server, whose processor time is measured with that of its children; may be repeated",
        type=_positive,
        action="append",
        default=[],
        metavar="PID",
    )


def _checked(read: Callable[[Path], object]) -> Callable[[str], str]:
    """Return a type that leaves the path as it is, because options are sent to workers; it is read again later."""

    def check(text: str) -> str:
        try:
            read(Path(text))
        except (ConfigError, LoadTestError) as error:
            # argparse would put a page of usage before it.
            print(error, file=sys.stderr)
            raise SystemExit(2) from None
        return text

    return check


def _readable(file: Path) -> None:
    try:
        with file.open("rb"):
            return
    except OSError as error:
        raise LoadTestError(f"{file}: can't be read: {error.strerror}") from None


def _writable(text: str) -> str:
    if not Path(text).absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: its folder isn't there")
    return text


def _address(text: str) -> str:
    if not re.fullmatch(r"(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}", text):
        raise argparse.ArgumentTypeError(f"must be HOST:PORT, an IPv6 address in brackets, not {text}")
    return text


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, not {text}")
    return int(text)
