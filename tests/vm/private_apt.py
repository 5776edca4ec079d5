"""An apt configuration of our own: other suites, own lists and caches; the machine's lists stay as they are.

apt.conf of the machine still counts (proxies, timeouts): only where sources, lists and caches lie is replaced.
"""

import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
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
        raise PackagesError("this machine does not run a Debian release, and what is fetched here is Debian's")
    return system["VERSION_CODENAME"]


def machine_targets(scratch: Path) -> list[apt_sources.Target]:
    """List the indexes of this machine's sources; where its lists were never fetched, fetch copies into `scratch`."""
    targets = apt_sources.parse_targets(_output("apt-get", "indextargets"))
    if any(target.origin == "Debian" for target in targets):
        return targets
    options = _options(scratch)
    # A broken source of somebody else's must not stop us: what counts is whether Debian's answered.
    subprocess.run(["apt-get", *options, "update", "-qq"], env=_ENVIRONMENT, capture_output=True, check=False)
    return apt_sources.parse_targets(_output("apt-get", "indextargets", options=options))


class PrivateApt:
    """apt with `sources` (the text of a sources.list), keeping everything else that it fetches below `folder`.

    `isolated` is for downloading only: which packages the machine has installed does not matter then, and neither does
    the age of a suite, where a mirror lags behind or stands still.
    """

    def __init__(self, folder: Path, sources: str, *, isolated: bool) -> None:
        self._options = _options(folder)
        source_list = folder / "sources.list"
        source_list.write_text(sources, encoding="ascii")
        settings = {"Dir::Etc::sourcelist": str(source_list), "Dir::Etc::sourceparts": "/dev/null"}
        if isolated:
            status = folder / "status"
            status.touch()
            settings |= {"Dir::State::status": str(status), "Acquire::Check-Valid-Until": "false"}
        self._options += _as_options(settings)

    def update(self) -> None:
        """Fetch the package lists."""
        # Without the setting apt-get counts a source that it could not reach as a mere warning.
        any_error = _as_options({"APT::Update::Error-Mode": "any"})
        attempt(lambda: _output("apt-get", "update", "-qq", options=[*self._options, *any_error]))

    def package_names(self, prefix: str) -> list[str]:
        """List the packages whose names begin with `prefix`."""
        return _output("apt-cache", "pkgnames", prefix, options=self._options).split()

    def download(self, names: Sequence[str], into: Path) -> list[Path]:
        """Fetch packages without installing them; returns the .deb files."""
        attempt(lambda: _output("apt-get", "download", "-qq", *names, options=self._options, folder=into))
        return sorted(into.glob("*.deb"))

    def install(self, names: Sequence[str], suite: str | None = None) -> None:
        """Install packages, by preference out of `suite` where one is named."""
        preference = [] if suite is None else ["-t", suite]
        options = [*self._options, *_as_options({"DPkg::Lock::Timeout": "300"}), "-y", "-qq", "--no-install-recommends"]
        attempt(lambda: _output("apt-get", "install", *preference, *names, options=options))


def keyring() -> str:
    """Find the keyring that Debian's archive is signed with."""
    for path in _KEYRINGS:
        if Path(path).exists():
            return path
    raise PackagesError(f"none of {', '.join(_KEYRINGS)} is there: install debian-archive-keyring")


def attempt(action: Callable[[], object]) -> None:
    """Do `action`, three times if it must be: networks and mirrors fail for a moment. The last failure is raised."""
    for pause_s in _PAUSES_S:
        try:
            action()
        except PackagesError as failure:
            print(f"{failure}\nonce more in {pause_s:.0f} s", flush=True)
            time.sleep(pause_s)
        else:
            return
    action()


def _options(folder: Path) -> list[str]:
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    return _as_options(
        {
            "Dir::State::lists": str(folder / "lists"),
            "Dir::Cache": str(folder / "cache"),
            # The unprivileged user that apt downloads as cannot enter a home folder, where the cache often lies.
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
    )


def _as_options(settings: Mapping[str, str]) -> list[str]:
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def _output(program: str, *arguments: str, options: Sequence[str] = (), folder: Path | None = None) -> str:
    command = [program, *options, *arguments]
    try:
        done = subprocess.run(command, cwd=folder, env=_ENVIRONMENT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise PackagesError(f"{program} is not there: Debian's packages are fetched with it") from None
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise PackagesError(f"{program} {' '.join(arguments)} failed with status {done.returncode}:\n{said}")
    return done.stdout
