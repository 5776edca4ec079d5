"""Boot a kernel in QEMU with this machine's files and run one command in it.

The guest sees the host's file system read-only, but for tmpfs at /tmp, /var/tmp and /run, and the folder of exchange.
It ends when its command has ended, when a limit is passed, or with the process that booted it. A guest that ends
without having left a status died.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.vm.errors import BootError
from tests.vm.exchange import GUEST_PATH, Exchange, program_path
from tests.vm.kernels import Kernel
from tests.vm.slots import free_slot

_POLL_S = 0.1
# A guest ends with the process that booted it, however that ends: its end of the pipe is closed then. vng itself wants
# a standard input that is at its end.
_LEASH = """
exec 3<&0
"$@" </dev/null 3<&- &
guest=$!
{ read -r _ <&3; kill -KILL 0; } &
leash=$!
wait "$guest"
kill "$leash"
"""


@dataclass(frozen=True, slots=True)
class GuestOptions:
    """How the guest is made: processors, memory (QEMU's spelling), KVM or emulation, further options of QEMU."""

    # Emulating a second processor takes twice the time of the host's, even while it idles.
    cpus: int = 1
    memory: str = "4G"
    kvm: bool = False
    qemu_options: tuple[str, ...] = ()
    limit_s: float = 3600.0  # against hanging; results are waited for with limits of their own
    boot_limit_s: float = 240.0  # 10 s on a quiet machine, 90 s on one that has six times too much to do
    boot_attempts: int = 2  # booting is not what is tested: it gets a second chance
    environment: Mapping[str, str] = field(default_factory=dict)


class Guest:
    """One guest that runs one command, as soon as a slot is free; `close` or the end of a `with` block ends it.

    `files`, by name, are put into the folder of exchange, where the command finds them.
    """

    def __init__(
        self,
        kernel: Kernel,
        command: Sequence[str],
        cache: Path,
        options: GuestOptions,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.kernel = kernel
        self.exchange = Exchange(kernel, cache)
        self.exchange.prepare(
            command, limit_s=options.limit_s, environment=options.environment, files={} if files is None else files
        )
        self._cache = cache
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._boots = 0
        self._stopped = False
        self.running()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def waiting(self) -> bool:
        """Whether the guest has not been booted for want of a slot."""
        return self._process is None

    def running(self) -> bool:
        """Tell whether the guest lives or is yet to boot. Boots it, and ends it past its limits: call this often."""
        if self._process is None:
            return not self._stopped and self._boot()
        booted = self.exchange.booted
        limit_s = self._options.boot_limit_s + (self._options.limit_s if booted else 0.0)
        if time.monotonic() - self._started_s > limit_s:
            self._kill(self._process)
        if self._process.poll() is None:
            return True
        if booted or self._stopped or self._boots >= self._options.boot_attempts:
            return False
        self._kill(self._process)
        self._process = None
        return self.running()

    def wait(self) -> None:
        """Wait until the guest has ended."""
        while self.running():
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """End the guest now, if it still runs."""
        self._stopped = True
        if self._process is not None:
            self._kill(self._process)

    def close(self) -> None:
        """End the guest and remove its folder of exchange."""
        self.stop()
        self.exchange.remove()

    def _boot(self) -> bool:
        """Boot the guest if there is a slot for it; returns True, for it is about to run in either case."""
        slot = free_slot(self._cache)
        if slot is None:
            return True
        self._boots += 1
        self._started_s = time.monotonic()
        with slot, (self.exchange.path / "console").open("ab") as console:
            self._process = subprocess.Popen(
                ["sh", "-c", _LEASH, "guest", *_vng_command(self.kernel, self.exchange.path, self._options)],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=console,
                env={**os.environ, "PATH": program_path()},
                start_new_session=True,
                pass_fds=[slot.fileno()],
            )
        return True

    @staticmethod
    def _kill(process: subprocess.Popen[bytes]) -> None:
        """End the guest's processes, if they still run, and let go of what belongs to them."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _vng_command(kernel: Kernel, exchange: Path, options: GuestOptions) -> list[str]:
    vng = shutil.which("vng", path=program_path())
    if vng is None:
        raise BootError("vng is not there: install the package with its extra, pip install -e '.[test]'")
    acceleration = [] if options.kvm else ["--disable-kvm"]
    # The host's root once more, to be mounted with a cache: see guest_init.sh, which counts on the order of the two.
    folders = [f"--rwdir={GUEST_PATH.relative_to('/')}={exchange}", "--rodir=run/host=/"]
    return [
        *(vng, "--run", str(kernel.image), "--verbose", "--append", "loglevel=5 quiet"),
        *(*acceleration, "--force-9p", "--cpus", str(options.cpus), "--memory", options.memory, "--user", "root"),
        *(*folders, "--exec", f"sh {GUEST_PATH}/init.sh"),
        *(f"--qemu-opts={option}" for option in options.qemu_options),
    ]
