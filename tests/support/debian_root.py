"""Small Debian systems of any release: made by mmdebstrap from where this machine gets its own packages, and kept.

What is kept is an archive of the file system, outside the checkout and shared by all checkouts. It is complete once it
has its name. Where packages come from is asked of apt and stands nowhere: neither here nor in what is made.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.support.privileges import do_without, require_root
from tests.support.programs import find_program
from tests.vm import apt_sources, private_apt
from tests.vm.cache import cache_lock, cache_root
from tests.vm.errors import PackagesError

# What no test reads is a third of the files.
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def debian_archive(suite: str, packages: Iterable[str]) -> Path:
    """Return a tar archive of a Debian system, e.g. of trixie: what is essential, apt, and ``packages``.

    It is made the first time, by root alone. Skips or fails the test where it can't be had, as ``find_program`` does.
    """
    names = sorted(packages)
    recipe = hashlib.sha256(repr((suite, names, _LEFT_OUT)).encode()).hexdigest()[:16]
    cache = cache_root()
    archive = cache / "debian-roots" / f"{suite}-{recipe}.tar"
    if not archive.exists():
        require_root("makes a Debian system (mmdebstrap)")
        program = find_program("mmdebstrap")
        try:
            # The lock that whoever installs packages takes too.
            with cache_lock(cache):
                if not archive.exists():
                    private_apt.attempt(lambda: _make(program, suite, names, archive))
        except PackagesError as error:
            do_without(f"no Debian {suite}: {error}")
    return archive


def debian_root(suite: str, packages: Iterable[str], folder: Path) -> Path:
    """Unpack such a system into ``folder``, which is made, and return it."""
    archive = debian_archive(suite, packages)
    require_root("unpacks a Debian system with its owners")
    folder.mkdir()
    subprocess.run(["tar", "-C", str(folder), "--numeric-owner", "-xpf", str(archive)], check=True)
    return folder


def _make(program: str, suite: str, packages: list[str], archive: Path) -> None:
    """Have mmdebstrap make the archive; raise PackagesError."""
    targets = private_apt.machine_targets(cache_root() / "apt-machine")
    uri = apt_sources.debian_uri(targets, private_apt.machine_release())
    archive.parent.mkdir(exist_ok=True)
    print(f"making a Debian {suite} with {' '.join(packages)}", flush=True)
    command = [program, "--mode=root", "--variant=minbase", "--quiet", f"--include={','.join(packages)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    command += ["--dpkgopt=force-unsafe-io", "--aptopt=Acquire::Retries 3"]
    # A mirror may lag behind or stand still.
    command += ["--aptopt=Acquire::Check-Valid-Until false", "--customize-hook=rm $1/etc/apt/sources.list"]
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=archive.parent) as folder:
        partial = Path(folder, "root.tar")
        done = subprocess.run(
            [*command, suite, str(partial), "-"],
            input=apt_sources.source_lines([(uri, suite)], private_apt.keyring()),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PackagesError(f"mmdebstrap {suite} failed with status {done.returncode}:\n{done.stderr.strip()}")
        partial.rename(archive)
