"""Debian kernels in the cache: chosen, fetched, unpacked, never installed.

A kernel in the cache looks like a tiny root: `RELEASE/boot/vmlinuz-RELEASE` and `RELEASE/lib/modules/RELEASE`, which is
what vng looks for above an image. It is complete once it has its name: everything is made in a folder beside it, which
is renamed at the very end, so a run that was interrupted leaves nothing that a later run could mistake for a kernel.
"""

import os
import platform
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.vm import apt_sources, private_apt
from tests.vm.cache import cache_lock
from tests.vm.errors import KernelError

KERNELS_FILE = Path(__file__).with_name("kernels.toml")
_FLAVOUR = r"[^-]+-amd64"  # without another hyphen: not -cloud- (has no 9p), not -rt-, no -dbg, no -unsigned
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """Which kernel is wanted: releases from `at_least` on, and below `below`, out of a Debian suite."""

    name: str
    suite: str
    packages: tuple[str, ...]
    at_least: str
    below: str | None = None

    def takes(self, release: str) -> bool:
        """Tell whether `release`, e.g. 6.12.117+deb13-amd64, is one of those wanted."""
        if re.fullmatch(_FLAVOUR, release) is None:
            return False
        key = release_key(release)
        return release_key(self.at_least) <= key and (self.below is None or key < release_key(self.below))


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel in the cache: what to boot, and the folder below which lib/modules/RELEASE lies."""

    name: str
    release: str
    root: Path

    @property
    def image(self) -> Path:
        """The image to boot."""
        return self.root / "boot" / f"vmlinuz-{self.release}"


def read_specs(path: Path = KERNELS_FILE) -> dict[str, KernelSpec]:
    """Read the kernels of `kernels.toml`, by name."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["kernel"]
    specs = [KernelSpec(**{**table, "packages": tuple(table["packages"])}) for table in tables]
    return {spec.name: spec for spec in specs}


def release_key(release: str) -> tuple[int, ...]:
    """Make releases comparable: by their numbers, so that 6.12.117 is newer than 6.12.95."""
    return tuple(int(number) for number in re.findall(r"\d+", release.removesuffix("-amd64")))


def newest_release(spec: KernelSpec, package_names: Iterable[str]) -> str | None:
    """Choose the newest release that `spec` takes and of which all packages are there."""
    names = set(package_names)
    prefix = spec.packages[0].format(release="")
    releases = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    complete = [
        release
        for release in releases
        if spec.takes(release) and names.issuperset(package.format(release=release) for package in spec.packages)
    ]
    return max(complete, key=release_key, default=None)


def cached_kernel(spec: KernelSpec, cache: Path) -> Kernel | None:
    """Find the newest kernel in the cache that `spec` takes."""
    folder = cache / "kernels"
    releases = [entry.name for entry in folder.glob("*") if spec.takes(entry.name)]
    newest = max(releases, key=release_key, default=None)
    return None if newest is None else Kernel(spec.name, newest, folder / newest)


def provide_kernels(specs: Iterable[KernelSpec], cache: Path) -> list[Kernel]:
    """Return a kernel for each spec, fetching those that the cache lacks. Raises GuestError with the reason."""
    wanted = list(specs)
    with cache_lock(cache):
        missing = [spec for spec in wanted if cached_kernel(spec, cache) is None]
        if missing:
            _fetch(missing, cache)
        kernels = [cached_kernel(spec, cache) for spec in wanted]
    return [kernel for kernel in kernels if kernel is not None]


def _fetch(specs: list[KernelSpec], cache: Path) -> None:
    if platform.machine() != "x86_64":
        raise KernelError(f"the guests' kernels are Debian's for amd64, and this machine is {platform.machine()}")
    apt_folder = cache / "apt-kernels"
    targets = private_apt.machine_targets(cache / "apt-machine")
    uri = apt_sources.debian_uri(targets, private_apt.machine_release())
    suites = [(uri, suite) for suite in sorted({spec.suite for spec in specs})]
    apt_folder.mkdir(parents=True, exist_ok=True)
    sources = apt_sources.source_lines(suites, private_apt.keyring())
    apt = private_apt.PrivateApt(apt_folder, sources, isolated=True)
    apt.update()
    names = apt.package_names("linux-")
    folder = cache / "kernels"
    folder.mkdir(exist_ok=True)
    for left_over in folder.glob(".partial-*"):
        shutil.rmtree(left_over)
    for spec in specs:
        release = newest_release(spec, names)
        if release is None:
            below = "" if spec.below is None else f" and below {spec.below}"
            raise KernelError(f"Debian {spec.suite} has no Linux from {spec.at_least} on{below}")
        print(f"fetching Linux {release} of Debian {spec.suite}", flush=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
        packages = apt.download([package.format(release=release) for package in spec.packages], partial)
        (_unpack(packages, partial, release)).rename(folder / release)
        shutil.rmtree(partial)


def _unpack(packages: Iterable[Path], scratch: Path, release: str) -> Path:
    """Unpack .deb files and arrange the kernel in them as the cache wants it; returns the folder."""
    unpacked, kernel = scratch / "unpacked", scratch / release
    for package in packages:
        _command(["dpkg-deb", "-x", str(package), str(unpacked)])
    modules = unpacked / "usr/lib/modules" / release
    images = [path for path in (unpacked / f"boot/vmlinuz-{release}", modules / "vmlinuz") if path.exists()]
    if not images:
        raise KernelError(f"the packages of Linux {release} hold no image where Debian used to put it")
    (kernel / "boot").mkdir(parents=True)
    images[0].rename(kernel / f"boot/vmlinuz-{release}")
    (kernel / "lib/modules").mkdir(parents=True)
    modules.rename(kernel / "lib/modules" / release)
    _command(["depmod", "-b", str(kernel), release])
    kernel.chmod(0o755)
    return kernel


def _command(command: list[str]) -> None:
    # depmod lies in a folder that an ordinary user's PATH lacks.
    path = f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}"
    try:
        done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise KernelError(f"{command[0]} is not there: run `python -m tests.vm packages`") from None
    if done.returncode != 0:
        raise KernelError(f"{' '.join(command)} failed with status {done.returncode}:\n{done.stderr.strip()}")
