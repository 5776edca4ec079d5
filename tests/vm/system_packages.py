"""The programs that the tests need: which are missing, and installing them as root.

Nothing is looked up in package lists while nothing is missing, so this is quick every time but the first.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.vm import apt_sources, private_apt, services
from tests.vm.cache import cache_lock
from tests.vm.errors import PackagesError

PACKAGES_FILE = Path(__file__).resolve().parents[1] / "system-packages.txt"
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_OUTSIDE = "outside"
# Releases whose own QEMU is too old; their backports have a newer one.
_OLD_RELEASES = frozenset({"bookworm"})
_BACKPORTED = frozenset({"qemu-system-x86"})
# Packages whose service is of the same name, and not what they are installed for.
_WITH_SERVICE = frozenset({"haproxy", "nginx", "prometheus"})
# Those whose units have other names.
_WITH_UNITS = {
    "podman": ("podman.socket", "podman.service", "podman-restart.service", "podman-auto-update.timer"),
}


@dataclass(frozen=True, slots=True)
class Package:
    """A package, the program that shows that it is there, and that program's least major version (0: any).

    ``in_guests`` is false where no test in a guest needs it.
    """

    name: str
    program: str
    least_version: int = 0
    in_guests: bool = True


def parse_packages(text: str) -> list[Package]:
    """Read the format of system-packages.txt: package, program, perhaps a version or a mark; # begins a comment."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [_package(*words) for words in lines if words]


def missing_packages(*, for_guests: bool = False) -> list[str]:
    """Name the packages whose programs are missing or too old, all of them or those without which no guest runs."""
    packages = parse_packages(PACKAGES_FILE.read_text(encoding="utf-8"))
    return [package.name for package in packages if (package.in_guests or not for_guests) and not _is_there(package)]


def program_file(name: str) -> str | None:
    """Return the path of a program, also where PATH lacks the folders for root; None where there is none."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")


def require_packages(*, for_guests: bool = False) -> None:
    """Raise PackagesError where something is missing, with the command that installs it."""
    missing = missing_packages(for_guests=for_guests)
    if missing:
        raise PackagesError(f"missing: {' '.join(missing)}. As root: {_command_by_hand(missing)}")


def provide_packages(cache: Path) -> None:
    """Install what is missing. Raises PackagesError for users other than root, with what they must install."""
    missing = missing_packages()
    if not missing:
        return
    if os.geteuid() != 0:
        require_packages()
    with cache_lock(cache):
        _install(missing, cache)
    require_packages()


def _install(missing: Iterable[str], cache: Path) -> None:
    release = private_apt.machine_release()
    targets = private_apt.machine_targets(cache / "apt-machine")
    suites = apt_sources.own_suites(targets, release)
    backports = f"{release}-backports"
    backported = sorted(_BACKPORTED.intersection(missing)) if release in _OLD_RELEASES else []
    if backported:
        suites.append((apt_sources.debian_uri(targets, release), backports))
    folder = cache / "apt-packages"
    folder.mkdir(exist_ok=True)
    apt = private_apt.PrivateApt(folder, apt_sources.source_lines(suites, private_apt.keyring()), isolated=False)
    print(f"installing {' '.join(missing)}", flush=True)
    apt.update()
    plain = [name for name in missing if name not in backported]
    with services.no_service_starts():
        if plain:
            # Without a preferred suite: one for the release itself would set its security fixes back.
            apt.install(plain)
        if backported:
            apt.install(backported, backports)
    units = [unit for name in sorted(missing) for unit in _WITH_UNITS.get(name, ())]
    services.disable([*sorted(_WITH_SERVICE.intersection(missing)), *units])


def _package(name: str, program: str, extra: str = "0") -> Package:
    return Package(name, program, in_guests=False) if extra == _OUTSIDE else Package(name, program, int(extra))


def _is_there(package: Package) -> bool:
    path = program_file(package.program)
    if path is None:
        return False
    if package.name == "busybox-static":
        # The guest's first file system holds nothing else: no dynamic loader either.
        return b"ld-linux" not in Path(path).read_bytes()[:4096]
    return package.least_version == 0 or _major_version(path) >= package.least_version


def _major_version(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\d+)", said)
    return int(found[1]) if found else 0


def _command_by_hand(missing: Iterable[str]) -> str:
    names = " ".join(missing)
    try:
        release = private_apt.machine_release()
    except PackagesError:
        release = "another system"
    old = release in _OLD_RELEASES and bool(_BACKPORTED.intersection(names.split()))
    source = f" with {release}-backports among the sources and -t {release}-backports" if old else ""
    return f"python -m tests.vm packages, or apt-get install {names}{source}"
