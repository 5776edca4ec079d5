"""podman and buildah with files, images and containers of their own: this machine's stay as they are.

Everything lies in one folder, the configuration included (containers.conf(5), containers-storage.conf(5)), and goes
with it. Containers share the network of this machine, or have none: nothing is set up for them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.programs import find_program

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LIMIT_S = 600

STORAGE = """\
[storage]
driver = "{driver}"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""
# Small limits, because root in a container may not raise its own; runc, because it is where Debian's others aren't.
CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=1024:2048"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
# What pip is told of this machine's way to packages; files of this machine aren't there in a build.
_PIP_KEYS = ("index-url", "extra-index-url", "proxy", "trusted-host", "timeout", "retries")


class EngineFailed(Exception):
    """A program of the engine ended with another status than was asked for."""


class Engine:
    """Runs podman and buildah on a storage in ``folder``."""

    def __init__(self, folder: Path) -> None:
        for name in ("buildah", "podman", "runc"):
            find_program(name)
        self.folder = folder
        (folder / "containers.conf").write_text(CONTAINERS, encoding="utf-8")
        # Nobody is asked for an image.
        (folder / "registries.conf").write_text("unqualified-search-registries = []\n", encoding="utf-8")
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERSSTORAGE_CONF": str(folder / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
            "TMPDIR": str(folder),
        }
        for driver in ("overlay", "vfs"):
            (folder / "storage.conf").write_text(STORAGE.format(driver=driver, folder=folder), encoding="utf-8")
            # An overlay on another one can't be had: copying is slow, and works anywhere.
            if self._run("podman", "info").returncode == 0:
                break
            shutil.rmtree(folder / "graph", ignore_errors=True)

    def podman(self, *arguments: str, status: int | None = 0, limit_s: float = LIMIT_S) -> str:
        """Return what podman prints; raise EngineFailed where it ends with another ``status`` (None: any)."""
        done = self._run("podman", *arguments, limit_s=limit_s)
        if status is not None and done.returncode != status:
            raise EngineFailed(f"podman {' '.join(arguments)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def podman_status(self, *arguments: str) -> tuple[int, str]:
        """Return podman's exit status, and what it printed on both its streams."""
        done = self._run("podman", *arguments)
        return done.returncode, done.stdout + done.stderr

    def start_podman(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start podman and leave it running."""
        return subprocess.Popen(
            ["podman", *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def build(self, checkout: Path, tag: str, arguments: Mapping[str, str]) -> str:
        """Build the image of a checkout and return what was said; raises EngineFailed."""
        pip = self.folder / "pip.conf"
        pip.write_text(_pip_configuration(), encoding="utf-8")
        volumes = [f"{pip}:/etc/pip.conf:ro", *([f"{CERTIFICATES}:{CERTIFICATES}:ro"] if CERTIFICATES.exists() else [])]
        done = self._run(
            *("buildah", "build", "--isolation=chroot", "--network=host", "--pull-never", "--format=docker"),
            *(f"--volume={volume}" for volume in volumes),
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            *("--tag", tag, str(checkout)),
        )
        if done.returncode != 0:
            raise EngineFailed(f"buildah: status {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done.stdout + done.stderr

    def unpack(self, image: str, folder: Path) -> None:
        """Write an image's file system into ``folder``; raises EngineFailed."""
        mounted = self.podman("image", "mount", image).strip()
        try:
            # Its devices stay where they are: a folder that others may enter shouldn't have any.
            done = self._run("cp", "--archive", "--no-target-directory", mounted, str(folder))
            shutil.rmtree(folder / "dev")
            (folder / "dev").mkdir()
        finally:
            self.podman("image", "unmount", image)
        if done.returncode != 0:
            raise EngineFailed(f"cp: status {done.returncode}\n{done.stderr}")

    def close(self) -> None:
        """End all containers, and remove all that there is."""
        self.podman("rm", "--all", "--force", "--time=0", status=None)
        self.podman("image", "unmount", "--all", status=None)
        shutil.rmtree(self.folder / "graph", ignore_errors=True)

    def _run(self, *command: str, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nice", *command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )


def _pip_configuration() -> str:
    """Return a pip.conf with what this machine's pip has been told of where packages are."""
    said = subprocess.run(
        ["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    lines = [line.partition("=") for line in said.splitlines()]
    told = {name.rpartition(".")[2]: value.strip("'\"").split() for name, _, value in lines}
    values = {key: [word for word in told.get(key, []) if not word.startswith("file:")] for key in _PIP_KEYS}
    return "\n".join(["[global]", *(f"{key} = {' '.join(words)}" for key, words in values.items() if words), ""])
