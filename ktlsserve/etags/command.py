"""``ktlsserve etags``: what the operator says, sees and gets back."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from ktlsserve.arguments import Parser, add_information
from ktlsserve.compress.crew import Crew, interrupted_by
from ktlsserve.compress.options import add_work_options, folder, require_folder
from ktlsserve.cpus import usable_cpus
from ktlsserve.etags.survey import survey_orphaned_sidecars, survey_sidecars

DESCRIPTION = """\
Make the entity-tags of a site beforehand: app.js.etag beside app.js, for
servers with etags = "sidecar". They are made of the content, so that machines
whose files have different times, or all the same, agree on them. All files are
read; sidecars that are right already are left alone. Hidden files and symbolic
links are left out. To be run after ktlsserve compress: app.js.br has a sidecar
too."""

EPILOG = """\
examples:
  ktlsserve etags ./site
  ktlsserve etags ./site --prune

Exit status: 0 done (with --check: nothing is to be done), 1 something could
not be done (with --check: something is to be done), 2 wrong arguments. An
interrupt leaves no file half made."""


def etags_parser() -> Parser:
    """Return the parser of ``etags``."""
    parser = Parser(
        prog="ktlsserve etags", usage="ktlsserve etags ROOT [options]", description=DESCRIPTION, epilog=EPILOG
    )
    parser.add_argument("root", metavar="ROOT", type=folder, help="the folder that is served")
    add_work_options(parser.add_argument_group("options"), done="read")
    add_information(parser)
    return parser


def run_etags(arguments: Sequence[str], out: TextIO, err: TextIO) -> int:
    """Run the command and return its exit status; the summary goes to ``out``, progress and failures to ``err``.

    Raises UsageError, and KeyboardInterrupt, also on SIGTERM and SIGHUP, when all that was under way has been cleaned
    up.
    """
    parsed = etags_parser().parse(arguments)
    root: Path = parsed.root
    require_folder(root)
    crew = Crew(parsed.jobs or usable_cpus(), out, err, dry=parsed.check)
    with interrupted_by(signal.SIGTERM, signal.SIGHUP):
        if parsed.prune:
            crew.work_off(survey_orphaned_sidecars(root))
        crew.work_off(survey_sidecars(root))
    print(crew.summary(), file=out)
    return crew.exit_status()
