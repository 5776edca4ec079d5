"""The servers that are compared: how each is started, in which modes it runs, what to install where it is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from loadtests.bench import configurations
from loadtests.bench.errors import SetupError
from loadtests.bench.launch import Launch
from loadtests.bench.place import Place
from loadtests.bench.workloads import FOLDER, Mode

CHECKOUT = Path(__file__).resolve().parents[2]
REFERENCE = "nginx"
# Where Debian puts servers, which an ordinary user's PATH lacks.
_SYSTEM_PATH = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/local/sbin{os.pathsep}/usr/sbin{os.pathsep}/sbin"
_ALL = frozenset(Mode)
_NO_KERNEL = frozenset({Mode.PLAIN, Mode.USERSPACE})


@dataclass(frozen=True, slots=True)
class Peer:
    """A server with its configuration."""

    name: str
    launch: Callable[[Place], Launch]
    modes: frozenset[Mode]
    # The program that must be found, or "" and the module that must be importable, and how to get either.
    program: str
    module: str
    cure: str
    version: Callable[[], str]
    references: tuple[str, ...] = (REFERENCE,)
    quick: bool = False

    def missing(self) -> str:
        """Say what is missing and what to do, or "" where the peer can be started."""
        if self.program and find(self.program) is None:
            return f"{self.program} isn't installed: {self.cure}"
        if self.module and importlib.util.find_spec(self.module) is None:
            return f"{self.module} isn't installed: {self.cure}"
        return ""


def find(program: str) -> str | None:
    """Return the path of a program, system administrators' folders included."""
    return shutil.which(program, path=_SYSTEM_PATH)


def python_path() -> dict[str, str]:
    """Return the environment in which this checkout is importable."""
    paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


def _ktlsserve(place: Place, *, access_log: bool = False, arguments: Sequence[str] = ()) -> Launch:
    mode = {Mode.PLAIN: "off", Mode.USERSPACE: "userspace", Mode.KERNEL: "kernel"}[place.mode]
    command = [sys.executable, "-m", "ktlsserve", str(place.tree), "--listen", place.authority]
    command += ["--tls", mode, "--workers", "1"]
    if place.encrypted:
        command += ["--cert", str(place.pem), "--key", str(place.key_file)]
    if access_log:
        command += ["--access-log", str(place.folder / "access.log")]
    return Launch([*command, *arguments], python_path())


def _ktlsserve_sendfile(place: Place) -> Launch:
    config = place.folder / "server.toml"
    config.write_text("[files]\nsmall_bytes = 0\n", encoding="utf-8")
    return _ktlsserve(place, arguments=["--config", str(config)])


def _nginx(place: Place, *, file_cache: bool = False, access_log: bool = False) -> Launch:
    config = place.folder / "nginx.conf"
    config.write_text(configurations.nginx(place, file_cache=file_cache, access_log=access_log), encoding="utf-8")
    # -e: otherwise it complains about Debian's own log before it has read the configuration.
    return Launch([find("nginx") or "nginx", "-e", "stderr", "-p", str(place.folder), "-c", str(config)])


def _lighttpd(place: Place) -> Launch:
    config = place.folder / "lighttpd.conf"
    config.write_text(configurations.lighttpd(place), encoding="utf-8")
    return Launch([find("lighttpd") or "lighttpd", "-D", "-f", str(config)])


def _caddy(place: Place) -> Launch:
    config = place.folder / "Caddyfile"
    config.write_text(configurations.caddy(place), encoding="utf-8")
    return caddy_launch(place, config)


def caddy_launch(place: Place, config: Path) -> Launch:
    """Return the command that runs Caddy on one processor, away from the home folder."""
    own = {"HOME": str(place.folder), "XDG_DATA_HOME": str(place.folder), "XDG_CONFIG_HOME": str(place.folder)}
    command = [find("caddy") or "caddy", "run", "--config", str(config), "--adapter", "caddyfile"]
    return Launch(command, {**own, "GOMAXPROCS": "1"})


def _granian(place: Place) -> Launch:
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "asgi",
        "--host",
        place.address,
        "--port",
        str(place.port),
    ]
    command += ["--workers", "1", "--runtime-threads", "1", "--http", "1", "--no-access-log", "--log-level", "error"]
    command += ["--static-path-route", f"/{FOLDER}", "--static-path-mount", str(place.tree / FOLDER)]
    if place.encrypted:
        command += ["--ssl-certificate", str(place.pem), "--ssl-keyfile", str(place.key_file)]
    return Launch([*command, "loadtests.bench.granian_app:app"], python_path())


def _uvicorn(place: Place) -> Launch:
    command = [sys.executable, "-m", "uvicorn", "--host", place.address, "--port", str(place.port), "--workers", "1"]
    command += ["--no-access-log", "--log-level", "warning"]
    if place.encrypted:
        command += ["--ssl-certfile", str(place.pem), "--ssl-keyfile", str(place.key_file)]
    environment = {**python_path(), "BENCH_FOLDER": str(place.tree / FOLDER)}
    return Launch([*command, "loadtests.bench.starlette_app:app"], environment)


def _aiohttp(place: Place) -> Launch:
    command = [sys.executable, "-m", "loadtests.bench.aiohttp_app", str(place.tree / FOLDER), place.address]
    pem = [str(place.pem), str(place.key_file)] if place.encrypted else []
    return Launch([*command, str(place.port), *pem], python_path())


def program_version(program: str, *arguments: str) -> str:
    """Return the first line of what a program says of itself."""
    ended = subprocess.run([find(program) or program, *arguments], capture_output=True, text=True, check=False)
    lines = (ended.stdout + ended.stderr).splitlines()
    return lines[0] if lines else "unknown"


def module_versions(*distributions: str) -> str:
    """Return names and versions of Python distributions."""
    return " ".join(f"{name} {importlib.metadata.version(name)}" for name in distributions)


def _ktlsserve_version() -> str:
    from ktlsserve import __version__  # noqa: PLC0415 - only the report needs it

    return f"{__version__}, Python {sys.version.split()[0]}"


_KTLSSERVE = partial(
    Peer, modes=_ALL, program="", module="ktlsserve", cure="pip install -e .", version=_ktlsserve_version
)
_NGINX = partial(
    Peer,
    modes=_ALL,
    program="nginx",
    module="",
    cure="apt-get install nginx-light",
    version=partial(program_version, "nginx", "-v"),
)
_PYTHON = partial(Peer, modes=_NO_KERNEL, program="")
PEERS = (
    _KTLSSERVE("ktlsserve", _ktlsserve, quick=True),
    _NGINX(REFERENCE, _nginx, references=(), quick=True),
    _KTLSSERVE("ktlsserve-log", partial(_ktlsserve, access_log=True), references=("ktlsserve", REFERENCE)),
    _KTLSSERVE("ktlsserve-sendfile", _ktlsserve_sendfile, references=("ktlsserve", REFERENCE)),
    _NGINX("nginx-cache", partial(_nginx, file_cache=True)),
    _NGINX("nginx-log", partial(_nginx, access_log=True)),
    Peer(
        "lighttpd",
        _lighttpd,
        _ALL,
        "lighttpd",
        "",
        "apt-get install lighttpd lighttpd-mod-openssl",
        partial(program_version, "lighttpd", "-v"),
    ),
    Peer(
        "caddy",
        _caddy,
        _NO_KERNEL,
        "caddy",
        "",
        "apt-get install caddy",
        partial(program_version, "caddy", "version"),
    ),
    _PYTHON(
        "granian", _granian, module="granian", cure="pip install granian", version=partial(module_versions, "granian")
    ),
    _PYTHON(
        "uvicorn",
        _uvicorn,
        module="uvicorn",
        cure="pip install 'uvicorn[standard]' starlette",
        version=partial(module_versions, "uvicorn", "starlette"),
    ),
    _PYTHON(
        "aiohttp", _aiohttp, module="aiohttp", cure="pip install aiohttp", version=partial(module_versions, "aiohttp")
    ),
)


def with_arguments(peer: Peer, *arguments: str) -> Peer:
    """Return a peer that is started with more arguments."""

    def launch(place: Place) -> Launch:
        made = peer.launch(place)
        return Launch([*made.command, *arguments], made.environment)

    return replace(peer, launch=launch)


def choose_peers(names: Sequence[str], *, quick: bool) -> list[Peer]:
    """Return the peers of the given names, in the order of ``PEERS``; without names all, or the quick ones.

    Raises SetupError for a name that is unknown.
    """
    known = {peer.name for peer in PEERS}
    for name in names:
        if name not in known:
            raise SetupError(f"no peer is called {name!r}; there are {', '.join(sorted(known))}")
    return [peer for peer in PEERS if (peer.name in names if names else peer.quick or not quick)]
