"""Programs of a later Debian release: fetched into the cache, never installed, and run by their own loader.

Debian 12's nginx has no HTTP/3; Debian 13's has. Its packages are unpacked as they are, with the C library that they
were built for: ``ld-linux --library-path`` runs a program with these libraries, and nothing on the machine changes.
Where they come from is derived from the machine's own apt sources (see tests/vm/private_apt.py).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from loadtests.baselines.errors import FetchFailed
from tests.vm import apt_sources, private_apt
from tests.vm.cache import cache_lock, cache_root
from tests.vm.errors import PackagesError

SUITE = "trixie"
# nginx and all libraries that it and they are linked with. apt isn't asked: it would want a whole system around them.
PACKAGES = ("nginx", "libc6", "libcrypt1", "libpcre2-8-0", "libssl3t64", "libzstd1", "zlib1g")
_LOADERS = "usr/lib/*/ld-linux*.so.*"


def unpacked(cache: Path | None = None) -> Path | None:
    """Return the folder with the packages' files, None where they were never fetched."""
    folder = _folder(cache or cache_root())
    return folder if folder.is_dir() else None


def fetch(cache: Path | None = None) -> Path:
    """Return that folder, fetching the packages where the cache lacks them; raises FetchFailed with the reason."""
    cache = cache or cache_root()
    with cache_lock(cache):
        folder = _folder(cache)
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder.parent) as scratch:
                partial = Path(scratch, "unpacked")
                try:
                    _unpack(_download(cache, Path(scratch)), partial)
                except PackagesError as error:
                    raise FetchFailed(f"nginx of Debian {SUITE}: {error}") from error
                _try(partial)
                # Its name is what makes it complete.
                partial.rename(folder)
    return folder


def command(folder: Path, program: str) -> list[str]:
    """Return what runs ``program``, a path such as usr/sbin/nginx, with the libraries of ``folder``."""
    loaders = sorted(folder.glob(_LOADERS))
    if not loaders:
        raise FetchFailed(f"no loader is in {folder}: remove that folder and fetch it again")
    loader = loaders[0]
    name = Path(program).name
    return [str(loader), "--library-path", str(loader.parent), "--argv0", name, str(folder / program)]


def _folder(cache: Path) -> Path:
    return cache / "baselines" / f"nginx-{SUITE}"


def _download(cache: Path, scratch: Path) -> list[Path]:
    targets = private_apt.machine_targets(cache / "apt-machine")
    uri = apt_sources.debian_uri(targets, private_apt.machine_release())
    folder = cache / "apt-baselines"
    folder.mkdir(exist_ok=True)
    sources = apt_sources.source_lines([(uri, SUITE)], private_apt.keyring())
    apt = private_apt.PrivateApt(folder, sources, isolated=True)
    apt.update()
    return apt.download(PACKAGES, scratch)


def _unpack(packages: list[Path], folder: Path) -> None:
    for package in packages:
        _output(["dpkg-deb", "-x", str(package), str(folder)])
    # dpkg-deb gives it the mode of the last package's root, which mkdtemp's privacy doesn't suit.
    folder.chmod(0o755)


def _try(folder: Path) -> None:
    """Raise FetchFailed where nginx doesn't run with what was unpacked: a library is missing, or it isn't for us."""
    _output([*command(folder, "usr/sbin/nginx"), "-v"])


def _output(words: list[str]) -> None:
    if shutil.which(words[0]) is None:
        raise FetchFailed(f"{words[0]} is not there: nginx of Debian {SUITE} is unpacked with it")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FetchFailed(f"{' '.join(words)} failed with status {done.returncode}: {done.stderr.strip()}")
