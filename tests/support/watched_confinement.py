"""The server with workers that tell what they can do once they are confined: python -m ... FORBIDDEN serve ...

Each worker, when it has given everything up, tries to read the file FORBIDDEN and the like, and writes how that ended
to standard error, as ``attempts: {...}``; and from then on the name of each module that it imports, as ``late import:
...``: modules are to be there before, since a worker's user may not be able to read them.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from ktlsserve.cli import main
from ktlsserve.files.root import Root
from ktlsserve.worker.confinement import Confinement, InForce
from tests.support.forked import attempt


def watched(forbidden: Path) -> tuple[str, ...]:
    """Return what Python is started with to serve so."""
    return "-m", "tests.support.watched_confinement", str(forbidden)


def _bind() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))


def _attempts(forbidden: Path) -> dict[str, str]:
    actions: dict[str, Callable[[], object]] = {
        "read the key": forbidden.read_bytes,
        "read /etc/passwd": Path("/etc/passwd").read_bytes,
        "bind": _bind,
        "execute": lambda: subprocess.run(["/bin/true"], check=True),
        "signal the supervisor": lambda: os.kill(os.getppid(), 0),
    }
    return {name: attempt(action) for name, action in actions.items()}


def _tell(text: str) -> None:
    os.write(2, f"{text}\n".encode())


def _watch(forbidden: Path) -> None:
    really = Confinement.apply

    def apply(self: Confinement, roots: Sequence[Root]) -> InForce:
        in_force = really(self, roots)
        _tell(f"attempts: {json.dumps(_attempts(forbidden))}")
        sys.addaudithook(lambda event, arguments: _tell(f"late import: {arguments[0]}") if event == "import" else None)
        # What the log does with a bug.
        try:
            _attempts.nothing  # type: ignore[attr-defined] # noqa: B018 - which there isn't
        except AttributeError:
            traceback.format_exc()
        return in_force

    Confinement.apply = apply  # type: ignore[method-assign] # for this process


if __name__ == "__main__":
    _watch(Path(sys.argv.pop(1)))
    sys.exit(main())
