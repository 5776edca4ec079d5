"""An apt configuration of our own: other suites, own lists and caches; the machine's lists stay as they are.

apt.conf of the machine still counts (proxies, timeouts): only where sources, lists and caches lie is replaced.
"""

import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.vm import apt_sources
from tests.vm.errors import PackagesError

_KEYRINGS = ("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp")
_PAUSES_S = (2.0, 10.0)  # between three attempts: a mirror that is being updated needs a moment
_ENVIRONMENT = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def machine_release() -> str:
    """Name this machine's Debian release by its codename, e.g. bookworm. Raises PackagesError elsewhere."""
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    if system.get("ID") != "debian" or "VERSION_CODENAME" not in system:
        raise PackagesError("this machine does not run a Debian release, and the kernels with kTLS are Debian's")
    return system["VERSION_CODENAME"]


def machine_targets(scratch: Path) -> list[apt_sources.Target]:
    """List the indexes of this machine's sources; where its lists were never fetched, fetch copies into `scratch`."""
    targets = apt_sources.parse_targets(_output(["apt-get", "indextargets"]))
    if any(target.origin == "Debian" for target in targets):
        return targets
    options = _options(scratch)
    # A broken source of somebody else's must not stop us: what counts is whether Debian's answered.
    subprocess.run(["apt-get", *options, "update", "-qq"], env=_ENVIRONMENT, capture_output=True, check=False)
    return apt_sources.parse_targets(_output(["apt-get", *options, "indextargets"]))


class PrivateApt:
    """apt with `sources` (the text of a sources.list), keeping everything else that it fetches below `folder`.

    `isolated` hides which packages the machine has installed: right for looking around and downloading, wrong for
    installing.
    """

    def __init__(self, folder: Path, sources: str, *, isolated: bool) -> None:
        self._options = _options(folder)
        source_list = folder / "sources.list"
        source_list.write_text(sources, encoding="ascii")
        self._options += ["-o", f"Dir::Etc::sourcelist={source_list}", "-o", "Dir::Etc::sourceparts=/dev/null"]
        if isolated:
            status = folder / "status"
            status.touch()
            self._options += ["-o", f"Dir::State::status={status}"]

    def update(self) -> None:
        """Fetch the package lists."""
        # Without the option apt-get counts a source that it could not reach as a mere warning.
        attempt(lambda: _run(["apt-get", *self._options, "-o", "APT::Update::Error-Mode=any", "update", "-qq"]))

    def package_names(self, prefix: str) -> list[str]:
        """List the packages whose names begin with `prefix`."""
        return _output(["apt-cache", *self._options, "pkgnames", prefix]).split()

    def download(self, names: Sequence[str], into: Path) -> list[Path]:
        """Fetch packages without installing them; returns the .deb files."""
        attempt(lambda: _run(["apt-get", *self._options, "download", "-qq", *names], cwd=into))
        return sorted(into.glob("*.deb"))

    def install(self, names: Sequence[str], suite: str) -> None:
        """Install packages; what `suite` has newer comes from there."""
        arguments = ["install", "-y", "-qq", "--no-install-recommends", "-t", suite, *names]
        attempt(lambda: _run(["apt-get", *self._options, "-o", "DPkg::Lock::Timeout=300", *arguments]))


def keyring() -> str:
    """Find the keyring that Debian's archive is signed with."""
    for path in _KEYRINGS:
        if Path(path).exists():
            return path
    raise PackagesError(f"none of {', '.join(_KEYRINGS)} is there: install debian-archive-keyring")


def attempt(action: Callable[[], None]) -> None:
    """Do `action`, three times if it must be: networks and mirrors fail for a moment. The last failure is raised."""
    for pause_s in _PAUSES_S:
        try:
            return action()
        except PackagesError as failure:
            print(f"{failure}\nonce more in {pause_s:.0f} s", flush=True)
            time.sleep(pause_s)
    return action()


def _options(folder: Path) -> list[str]:
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    settings = {
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        # The unprivileged user that apt downloads as cannot enter a home folder, where the cache often lies.
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, env=_ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise PackagesError(f"{' '.join(command)} failed with status {done.returncode}:\n{said}")


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, env=_ENVIRONMENT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise PackagesError(f"{command[0]} is not there: the kernels with kTLS are fetched with apt") from None
    if done.returncode != 0:
        raise PackagesError(f"{' '.join(command)} failed with status {done.returncode}:\n{done.stderr.strip()}")
    return done.stdout
