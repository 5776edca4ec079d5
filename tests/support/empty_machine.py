"""A Debian system of its own as an ordinary user of it finds it: nothing installed but what the README asks for.

It is a folder with a whole file system, entered by chroot in a mount namespace; the kernel and the network are this
machine's. What pip is told here (where packages are, whose certificates to trust) it is told there too.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from tests.support.debian_root import debian_root
from tests.support.pip_settings import PipSettings, pip_settings
from tests.support.privileges import do_without, require_root
from tests.support.programs import find_program
from tests.support.server import CHECKOUT
from tests.vm.cache import cache_root

PACKAGES = ("git", "make", "python3", "python3-venv")
USER_ID = 1000
HOME = "/home/you"
_REPOSITORY = "/srv/ktlsserve.git"
# How names become addresses; in the system itself these are empty or missing.
_NETWORK_FILES = (Path("/etc/resolv.conf"), Path("/etc/hosts"))


class EmptyMachine:
    """Debian ``suite`` in ``folder``, which is made, with a user and a repository to clone."""

    def __init__(self, suite: str, folder: Path) -> None:
        require_root("enters a system of its own")
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
            do_without("this machine's root may not make mount namespaces (unshare --mount)")
        self.root = debian_root(suite, PACKAGES, folder)
        self._pip: PipSettings = pip_settings()
        self._binds = [path for path in self._pip.paths if path.is_dir()]
        for path in (*_NETWORK_FILES, *self._pip.paths):
            self._show(path)
        self._in_root("useradd", "--create-home", "--uid", str(USER_ID), Path(HOME).name)
        self._keep_downloads()
        self._publish()

    def command(self, words: str, folder: str = HOME) -> list[str]:
        """Return the command that has a shell of the user's run ``words`` in ``folder``; it becomes that process."""
        environment = {"HOME": HOME, "USER": Path(HOME).name, "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
        # Most of what is installed isn't run here, so Python compiles what is when it is.
        environment |= {**self._pip.environment, "PIP_NO_COMPILE": "1"}
        variables = [f"{key}={value}" for key, value in environment.items()]
        entered = ["chroot", f"--userspec={USER_ID}:{USER_ID}", str(self.root), "env", "-i", *variables]
        entered += ["sh", "-c", f"cd {shlex.quote(folder)} && exec {words}"]
        mounts = ["mount -t proc proc proc", "mount --rbind /dev dev"]
        mounts += [f"mount --bind {shlex.quote(str(path))} .{shlex.quote(str(path))}" for path in self._binds]
        mounts.append(f"mount --bind {shlex.quote(str(_downloads()))} .{HOME}/.cache/pip")
        script = "\n".join(["set -e", f"cd {shlex.quote(str(self.root))}", *mounts, f"exec {shlex.join(entered)}"])
        # The mounts go with the last process.
        return ["unshare", "--mount", "sh", "-c", script]

    def _show(self, path: Path) -> None:
        there = self.root / path.relative_to("/")
        if path.is_dir():
            there.mkdir(parents=True, exist_ok=True)
        elif path.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            there.unlink(missing_ok=True)
            shutil.copy(path, there)
            there.chmod(0o644)

    def _keep_downloads(self) -> None:
        """Have what pip downloads outlast the system: it fetches the same every time."""
        _downloads().mkdir(parents=True, exist_ok=True)
        os.chown(_downloads(), USER_ID, USER_ID)
        self._in_root("install", "-d", "-o", str(USER_ID), "-g", str(USER_ID), f"{HOME}/.cache", f"{HOME}/.cache/pip")

    def _publish(self) -> None:
        """Put this repository there as others publish theirs: what is committed, and no more."""
        trusting = self.root / "tmp" / "gitconfig"
        trusting.write_text("[safe]\n\tdirectory = *\n")
        there = self.root / _REPOSITORY.lstrip("/")
        done = subprocess.run(
            [find_program("git"), "clone", "--quiet", "--bare", "--no-hardlinks", str(CHECKOUT), str(there)],
            env={**os.environ, "GIT_CONFIG_GLOBAL": str(trusting)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            do_without(f"{CHECKOUT} can't be cloned: {done.stderr.strip()}")
        self._in_root("chown", "-R", f"{USER_ID}:{USER_ID}", _REPOSITORY)

    def _in_root(self, *words: str) -> None:
        subprocess.run(["chroot", str(self.root), *words], check=True, stdin=subprocess.DEVNULL)


def _downloads() -> Path:
    return cache_root() / "first-start-pip"
