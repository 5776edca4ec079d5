"""The folder by which host and guest talk: mounted read-write in the guest at GUEST_PATH (9p, uncached).

The host writes `settings.sh` (for guest_init.sh), `command.sh` and whatever files the command needs; the guest writes
`booted` when it comes up, `output` as it comes, `kernel-log` and, when the command has ended, `status`. The host adds
the `console` of the guest, which holds the kernel's last words.
"""

import contextlib
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.vm.errors import BootError
from tests.vm.kernels import Kernel

GUEST_PATH = Path("/run/exchange")
CHECKOUT = Path(__file__).resolve().parents[2]
_INIT = Path(__file__).with_name("guest_init.sh")
_COVERED = ("/tmp", "/var/tmp", "/run", "/dev", "/proc", "/sys")  # the guest has its own file systems there
_SAFE_PATH = re.compile(r"[a-zA-Z0-9_+/.-]+")  # what vng takes, without the space that a shell list would split
_SYSTEM_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OLD_S = 86400.0
# tls: kernel TLS. aesni_intel: without it AES is 3 to 5 times slower, and nothing says so.
_MODULES = ("tls", "aesni_intel")


class Exchange:
    """One guest's folder, made for it in the cache."""

    def __init__(self, kernel: Kernel, cache: Path) -> None:
        folders = cache / "guests"
        folders.mkdir(parents=True, exist_ok=True)
        _forget_old(folders)
        for path in (folders, kernel.image, CHECKOUT, Path(sys.executable)):
            if _SAFE_PATH.fullmatch(str(path)) is None:
                raise BootError(
                    f"a guest cannot be given {str(path)!r}: only letters, digits and _+/.- may be in a path"
                )
        self.path = Path(tempfile.mkdtemp(prefix=f"{kernel.name}-", dir=folders))
        self._kernel = kernel
        self._cache = cache

    @property
    def status(self) -> int | None:
        """The command's exit status once it has ended; None before, and for ever when the guest died."""
        text = self.text("status")
        return int(text) if text else None

    @property
    def booted(self) -> bool:
        """Whether the guest has come up, and the command is about to run or has."""
        return (self.path / "booted").exists()

    def text(self, name: str) -> str:
        """Return what a file holds so far; nothing where it is not there."""
        try:
            return (self.path / name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def last_words(self, lines: int = 60) -> str:
        """Return the end of what the command and the kernel said: why a guest died."""
        ends = {name: self.text(name).splitlines()[-lines:] for name in ("output", "console")}
        return "\n".join(f"--- {name} ---\n" + "\n".join(end) for name, end in ends.items())

    def prepare(
        self, command: Sequence[str], *, limit_s: float, environment: Mapping[str, str], files: Mapping[str, str]
    ) -> None:
        """Write what the guest reads: the command, what it finds in its environment, and files, by name."""
        self._write("settings.sh", _assignments(self._settings(limit_s)))
        variables = _assignments({**self._environment(), **environment})
        exports = [f"export {variable}" for variable in variables]
        self._write("command.sh", [*exports, f"cd {shlex.quote(str(CHECKOUT))}", f"exec {shlex.join(command)}"])
        shutil.copyfile(_INIT, self.path / "init.sh")
        for name, text in files.items():
            (self.path / name).write_text(text, encoding="utf-8")

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path)

    def _settings(self, limit_s: float) -> dict[str, str]:
        python = (Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent)
        return {
            "RELEASE": self._kernel.release,
            "KERNEL_ROOT": str(self._kernel.root),
            "MODULES": " ".join(_MODULES),
            "KEEP": " ".join(_covered([CHECKOUT, self._cache, *python])),
            "LIMIT_S": str(int(limit_s)),
            "HOME": "/tmp/home",
        }

    def _environment(self) -> dict[str, str]:
        own = {key: value for key, value in os.environ.items() if key.startswith("KTLSSERVE_")}
        return {
            "PATH": program_path(),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",  # there is nowhere to write it to
            "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis",  # likewise
            **own,
            "KTLSSERVE_GUEST": self._kernel.name,
            "KTLSSERVE_GUEST_RELEASE": self._kernel.release,
        }

    def _write(self, name: str, lines: Iterable[str]) -> None:
        (self.path / name).write_text("\n".join([*lines, ""]), encoding="utf-8")


def program_path() -> str:
    """Return a PATH for programs: first of all this Python's, then the caller's, then what only root's mostly has."""
    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:{_SYSTEM_PATH}"


def _assignments(variables: Mapping[str, str]) -> list[str]:
    return [f"{key}={shlex.quote(value)}" for key, value in variables.items()]


def _covered(paths: Iterable[Path]) -> list[str]:
    """Choose the paths that the guest's own file systems would hide."""
    return sorted({str(path) for path in paths if any(path.is_relative_to(folder) for folder in _COVERED)})


def _forget_old(folders: Path) -> None:
    """Remove what hosts that were killed have left behind."""
    for folder in folders.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another run may do the same
            if time.time() - folder.stat().st_mtime > _OLD_S:
                shutil.rmtree(folder, ignore_errors=True)
