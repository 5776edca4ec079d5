"""The program: find the command, run it, and turn whatever goes wrong into a message and an exit status.

Commands import what they need when they run, so that ``--help`` and ``check`` don't wait for the server's modules, and
a message about a wrong argument doesn't depend on what else is installed.
"""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Callable, Sequence

from ktlsserve.arguments import COMMANDS, check_parser, doctor_parser, healthcheck_parser, said_by, serve_parser
from ktlsserve.errors import EXIT_BUG, EXIT_OK, ConfigError, KtlsServeError, StartupError, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ktlsserve`` with ``argv`` (the process's own without it) and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments.pop(0) if arguments and arguments[0] in COMMANDS else "serve"
    try:
        try:
            return RUN[command](arguments)
        finally:
            # Not left to the interpreter's exit, where a closed pipe can no longer be caught.
            print(end="", flush=True)
    except SystemExit as request:
        # argparse leaves so after --help and --version, and only then: its errors are UsageErrors.
        return request.code if isinstance(request.code, int) else EXIT_OK
    except KtlsServeError as error:
        _complain(str(error))
        return error.exit_status
    except BrokenPipeError:
        # Whoever read our output has seen enough (ktlsserve doctor | head). The interpreter flushes once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BUG
    except KeyboardInterrupt:
        # A server that is stopped before it serves has nothing to finish: that is a clean stop.
        return EXIT_OK if command == "serve" else EXIT_BUG
    except Exception:  # noqa: BLE001 - the last resort
        traceback.print_exc()
        _complain("this is a bug in ktlsserve; please report it with the lines above")
        return EXIT_BUG


def _serve(arguments: Sequence[str]) -> int:
    from ktlsserve.environment import read_environment  # noqa: PLC0415

    parser = serve_parser()
    said = said_by(parser.parse(arguments)).over(read_environment(os.environ))
    overrides, file = said.overrides(), said.values.get("config")
    if file is None and "root" not in said.values:
        parser.error("which folder? name ROOT, or --config FILE that does")
    _require_linux()
    from ktlsserve.config.file import load_config  # noqa: PLC0415

    config = load_config(file, overrides, said.sources())
    if not config.server.root.is_dir():
        what = "is not a folder" if config.server.root.exists() else "no such folder"
        if "root" not in said.values:
            raise ConfigError([("server.root", f"{what}: {config.server.root}")], str(file))
        variable = said.told_by["root"]
        raise UsageError(f"{'' if variable == 'ROOT' else f'{variable}: '}{what}: {config.server.root}")
    from ktlsserve.supervisor.run import serve  # noqa: PLC0415

    return serve(config)


def _doctor(arguments: Sequence[str]) -> int:
    parsed = doctor_parser().parse(arguments)
    _require_linux()
    from ktlsserve.doctor import run_doctor  # noqa: PLC0415

    return run_doctor(as_json=parsed.json, out=sys.stdout)


def _check(arguments: Sequence[str]) -> int:
    file = check_parser().parse(arguments).file
    from ktlsserve.config.named import check_file  # noqa: PLC0415

    for warning in check_file(file):
        print(f"ktlsserve: warning: {warning}", file=sys.stderr)
    print(f"{file}: ok")
    return EXIT_OK


def _healthcheck(arguments: Sequence[str]) -> int:
    parser = healthcheck_parser()
    parsed = parser.parse(arguments)
    if parsed.url is not None and (parsed.address or parsed.config is not None):
        parser.error("--url is all that is asked: it goes with neither --config nor HOST:PORT")
    from ktlsserve.healthcheck import run_healthcheck  # noqa: PLC0415

    return run_healthcheck(parsed, os.environ)


def _compress(arguments: Sequence[str]) -> int:
    from ktlsserve.compress.command import run_compress  # noqa: PLC0415

    return run_compress(arguments, sys.stdout, sys.stderr)


def _etags(arguments: Sequence[str]) -> int:
    from ktlsserve.etags.command import run_etags  # noqa: PLC0415

    return run_etags(arguments, sys.stdout, sys.stderr)


def _require_linux() -> None:
    system = platform.system()
    if system != "Linux":
        raise StartupError(
            f"ktlsserve serves on Linux only, and this is {system}: epoll, sendfile and kernel TLS are Linux's; "
            "run it in a container or a virtual machine"
        )


def _complain(text: str) -> None:
    """Write each line of a message to standard error under the program's name."""
    for line in text.splitlines():
        print(f"ktlsserve: error: {line}", file=sys.stderr)


RUN: dict[str, Callable[[Sequence[str]], int]] = {
    "serve": _serve,
    "doctor": _doctor,
    "check": _check,
    "healthcheck": _healthcheck,
    "compress": _compress,
    "etags": _etags,
}
