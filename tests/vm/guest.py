"""Boot a kernel in QEMU with this machine's files and run one command in it.

How host and guest meet: a folder of exchange, made anew for each guest in the cache, is mounted read-write in the guest
at EXCHANGE (9p, uncached). The host puts the command and its settings there; the guest writes `output` as it comes, and
`status` when the command has ended. Everything else that the guest sees is the host's file system, read-only, but for
tmpfs at /tmp, /var/tmp and /run. A guest that ends without `status` died; `console` holds the kernel's last words.

vng wants a standard input that is at its end, and loses the command's output where it has no terminal: hence the files.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.vm.errors import BootError
from tests.vm.kernels import Kernel

EXCHANGE = Path("/run/exchange")
CHECKOUT = Path(__file__).resolve().parents[2]
_INIT = Path(__file__).with_name("guest_init.sh")
_COVERED = ("/tmp", "/var/tmp", "/run", "/dev", "/proc", "/sys")  # the guest has its own file systems there
_SAFE_PATH = re.compile(r"[a-zA-Z0-9_+/.-]+")  # what vng takes, without the space that a shell list would split
_SYSTEM_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_POLL_S = 0.1
_OLD_S = 86400.0
# A guest ends with the process that booted it, however that ends: its end of the pipe is closed then.
_LEASH = """
exec 3<&0
"$@" </dev/null 3<&- &
guest=$!
{ read -r _ <&3; kill -KILL 0; } &
leash=$!
wait "$guest"
kill "$leash"
"""
# tls: kernel TLS. aesni_intel: without it AES is 3 to 5 times slower, and nothing says so.
_MODULES = ("tls", "aesni_intel")


@dataclass(frozen=True, slots=True)
class GuestOptions:
    """How the guest is made: processors, memory (QEMU's spelling), KVM or emulation, further options of QEMU."""

    # Emulating a second processor takes twice the time of the host's, even while it idles.
    cpus: int = 1
    memory: str = "4G"
    kvm: bool = False
    qemu_options: tuple[str, ...] = ()
    limit_s: float = 1500.0
    boot_limit_s: float = 240.0  # 10 s on a quiet machine, 90 s on one that has six times too much to do
    boot_attempts: int = 2  # booting is not what is tested: it gets a second chance
    environment: Mapping[str, str] = field(default_factory=dict)


class Guest:
    """One guest that runs one command; boots on construction, `stop` or the end of a `with` block ends it."""

    def __init__(
        self,
        kernel: Kernel,
        command: Sequence[str],
        cache: Path,
        options: GuestOptions,
        files: Mapping[str, str] | None = None,
    ) -> None:
        """Boot. `files`, by name, are put into the folder of exchange, where the command finds them."""
        runs = cache / "guests"
        runs.mkdir(parents=True, exist_ok=True)
        _forget_old(runs)
        self.kernel = kernel
        self.exchange = Path(tempfile.mkdtemp(prefix=f"{kernel.name}-", dir=runs))
        self._options = options
        for path in (self.exchange, kernel.image, CHECKOUT, Path(sys.executable)):
            if _SAFE_PATH.fullmatch(str(path)) is None:
                raise BootError(
                    f"a guest cannot be given {str(path)!r}: only letters, digits and _+/.- may be in a path"
                )
        self._prepare(command, cache, options)
        for name, text in (files or {}).items():
            (self.exchange / name).write_text(text, encoding="utf-8")
        self._stopped = False
        self._boots = 0
        self._boot()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def status(self) -> int | None:
        """The command's exit status once it has ended; None before, and for ever when the guest died."""
        try:
            return int((self.exchange / "status").read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    @property
    def booted(self) -> bool:
        """Whether the guest has come up, and the command is about to run or has."""
        return (self.exchange / "booted").exists()

    def running(self) -> bool:
        """Tell whether the guest still lives; ends one that passed its limit, boots anew one that did not come up."""
        booted = self.booted
        limit_s = self._options.boot_limit_s + (self._options.limit_s if booted else 0.0)
        if time.monotonic() - self._started_s > limit_s:
            self._kill()
        if self._process.poll() is None:
            return True
        if booted or self._stopped or self._boots >= self._options.boot_attempts:
            return False
        self._boot()
        return True

    def wait(self) -> None:
        """Wait until the guest has ended."""
        while self.running():
            time.sleep(_POLL_S)

    def text(self, name: str) -> str:
        """Return what a file of the exchange holds so far; nothing where it is not there."""
        try:
            return (self.exchange / name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def last_words(self, lines: int = 60) -> str:
        """Return the end of what the command and the kernel said: why a guest died."""
        ends = {name: self.text(name).splitlines()[-lines:] for name in ("output", "console")}
        return "\n".join(f"--- {name} ---\n" + "\n".join(end) for name, end in ends.items())

    def stop(self) -> None:
        """End the guest now, if it still runs."""
        self._stopped = True
        self._kill()

    def close(self) -> None:
        """End the guest and remove its folder of exchange."""
        self.stop()
        shutil.rmtree(self.exchange)

    def _boot(self) -> None:
        self._boots += 1
        self._started_s = time.monotonic()
        with (self.exchange / "console").open("ab") as console:
            self._process = subprocess.Popen(
                ["sh", "-c", _LEASH, "guest", *_vng_command(self.kernel, self.exchange, self._options)],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=console,
                env={**os.environ, "PATH": _path()},
                start_new_session=True,
            )

    def _kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def _prepare(self, command: Sequence[str], cache: Path, options: GuestOptions) -> None:
        kept = _covered(
            [CHECKOUT, cache, Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent]
        )
        settings = {
            "RELEASE": self.kernel.release,
            "KERNEL_ROOT": str(self.kernel.root),
            "HOST_TAG": "virtme.initmount1",  # the second of the folders that vng is given: see _vng_command
            "MODULES": " ".join(_MODULES),
            "KEEP": " ".join(kept),
            "LIMIT_S": str(int(options.limit_s)),
            "HOME": "/tmp/home",
        }
        environment = {
            "PATH": _path(),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",  # there is nowhere to write it to
            "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis",  # likewise
            "KTLSSERVE_GUEST": self.kernel.name,
            "KTLSSERVE_GUEST_RELEASE": self.kernel.release,
            **{key: value for key, value in os.environ.items() if key.startswith("KTLSSERVE_")},
            **options.environment,
        }
        exports = [f"export {key}={shlex.quote(value)}" for key, value in environment.items()]
        script = [*exports, f"cd {shlex.quote(str(CHECKOUT))}", f"exec {shlex.join(command)}"]
        self._write("settings.sh", [f"{key}={shlex.quote(value)}" for key, value in settings.items()])
        self._write("command.sh", script)
        shutil.copyfile(_INIT, self.exchange / "init.sh")

    def _write(self, name: str, lines: Iterable[str]) -> None:
        (self.exchange / name).write_text("\n".join([*lines, ""]), encoding="utf-8")


def _vng_command(kernel: Kernel, exchange: Path, options: GuestOptions) -> list[str]:
    acceleration = [] if options.kvm else ["--disable-kvm"]
    extra = [f"--qemu-opts={option}" for option in options.qemu_options]
    return [
        *(_vng(), "--run", str(kernel.image), "--verbose", "--append", "loglevel=5 quiet"),
        *(*acceleration, "--force-9p", "--cpus", str(options.cpus), "--memory", options.memory, "--user", "root"),
        *(f"--rwdir={EXCHANGE.relative_to('/')}={exchange}", "--rodir=run/host=/"),
        *("--exec", f"sh {EXCHANGE}/init.sh", *extra),
    ]


def _forget_old(runs: Path) -> None:
    """Remove what hosts that were killed have left behind."""
    for folder in runs.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another run may do the same
            if time.time() - folder.stat().st_mtime > _OLD_S:
                shutil.rmtree(folder, ignore_errors=True)


def _vng() -> str:
    vng = shutil.which("vng", path=_path())
    if vng is None:
        raise BootError("vng is not there: install the package with its extra, pip install -e '.[test]'")
    return vng


def _path() -> str:
    # vng finds its second half, virtme-run, beside itself; an ordinary user's PATH lacks modprobe and ip.
    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:{_SYSTEM_PATH}"


def _covered(paths: Iterable[Path]) -> list[str]:
    """Choose the paths that the guest's own file systems would hide."""
    return sorted({str(path) for path in paths if any(path.is_relative_to(folder) for folder in _COVERED)})
