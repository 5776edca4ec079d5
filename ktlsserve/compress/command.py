"""``ktlsserve compress``: what the operator says, sees and gets back."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from ktlsserve.arguments import Parser, add_information
from ktlsserve.compress.codings import CODINGS, Coding, coding_named, require_packages
from ktlsserve.compress.crew import Crew, interrupted_by
from ktlsserve.compress.options import add_work_options, folder, number, require_folder
from ktlsserve.compress.survey import survey_orphans, survey_siblings
from ktlsserve.cpus import usable_cpus
from ktlsserve.files.mime import MimeTable

MIN_BYTES = 1024
"""A smaller file and its head fit into one packet as they are."""

DESCRIPTION = """\
Compress a site beforehand: app.js.br, app.js.zst and app.js.gz beside app.js,
for the server to send to whoever takes them. Files that have them already are
left alone, those that changed get new ones. Hidden files and symbolic links
are left out, and so is what doesn't get a twentieth smaller."""

EPILOG = """\
examples:
  ktlsserve compress ./site
  ktlsserve compress ./site --codings br,gzip --prune
  ktlsserve compress ./site --check

Exit status: 0 done (with --check: nothing is to be done), 1 something could
not be done (with --check: something is to be done), 2 wrong arguments, 3 a
package is missing. An interrupt leaves no file half made."""


def compress_parser() -> Parser:
    """Return the parser of ``compress``."""
    parser = Parser(
        prog="ktlsserve compress",
        usage="ktlsserve compress ROOT [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("root", metavar="ROOT", type=folder, help="the folder that is served")
    group = parser.add_argument_group("options")
    group.add_argument(
        "--codings",
        metavar="LIST",
        type=_codings,
        default=CODINGS,
        help="what to make, separated by commas: br, zstd, gzip (default: all three)",
    )
    group.add_argument(
        "--min-bytes",
        metavar="N",
        type=number(0, 1 << 40),
        default=MIN_BYTES,
        help=f"leave smaller files alone (default: {MIN_BYTES}: less fits into one packet anyway)",
    )
    add_work_options(group, done="compressed")
    add_information(parser)
    return parser


def run_compress(arguments: Sequence[str], out: TextIO, err: TextIO) -> int:
    """Run the command and return its exit status; the summary goes to ``out``, progress and failures to ``err``.

    Raises UsageError, StartupError where a package is missing, and KeyboardInterrupt, also on SIGTERM and SIGHUP, when
    all that was under way has been cleaned up.
    """
    parsed = compress_parser().parse(arguments)
    root: Path = parsed.root
    require_folder(root)
    require_packages(parsed.codings)
    types = MimeTable()
    crew = Crew(parsed.jobs or usable_cpus(), out, err, dry=parsed.check)
    with interrupted_by(signal.SIGTERM, signal.SIGHUP):
        if parsed.prune:
            crew.work_off(survey_orphans(root, types))
        crew.work_off(survey_siblings(root, parsed.codings, parsed.min_bytes, types))
    print(crew.summary(), file=out)
    return crew.exit_status()


def _codings(text: str) -> tuple[Coding, ...]:
    try:
        named = [coding_named(name.strip()) for name in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return tuple(coding for coding in CODINGS if coding in named)
