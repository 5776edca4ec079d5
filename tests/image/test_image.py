"""What is in the image, and what it says of itself."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ktlsserve import __version__
from tests.image.engine import Engine
from tests.support.server import CHECKOUT

RELEASE = __version__.removesuffix(".dev0")
USER = 10001
MIB = 1 << 20


@pytest.fixture(scope="module")
def record(engine: Engine, image: str) -> dict[str, Any]:
    (found,) = json.loads(engine.podman("image", "inspect", image))
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def files(engine: Engine, image: str) -> Iterator[Path]:
    """Where the image's file system is mounted."""
    yield Path(engine.podman("image", "mount", image).strip())
    engine.podman("image", "unmount", image)


def test_it_says_what_it_is(record: dict[str, Any]) -> None:
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in record["Labels"].items()}
    assert (labels["title"], labels["licenses"], labels["version"]) == ("ktlsserve", "Apache-2.0", RELEASE)
    assert {"description", "source", "revision"} <= labels.keys()


def test_it_says_how_it_is_run(record: dict[str, Any]) -> None:
    config = record["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["ktlsserve"]
    assert config["Cmd"] == ["serve"]
    assert list(config["ExposedPorts"]) == ["8443/tcp"]
    assert config["StopSignal"] == "SIGTERM"
    assert not config.get("Volumes")
    # In exec form: there is no shell between the runtime and the program.
    assert record["Healthcheck"]["Test"] == ["CMD", "ktlsserve", "healthcheck"]
    # Longer than the health check's own patience, which says what is wrong.
    assert record["Healthcheck"]["Timeout"] == 5 * 10**9


def test_kubernetes_yaml_runs_this_image(record: dict[str, Any], image: str) -> None:
    documents = list(yaml.safe_load_all((CHECKOUT / "config" / "kubernetes.yaml").read_text(encoding="utf-8")))
    (deployment,) = [document for document in documents if document["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    name, _, version = container["image"].partition(":")
    assert image.rpartition("/")[2].partition(":")[0] == name
    assert version == RELEASE
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == record["Config"]["User"]
    # Arguments of the entry point, which the manifest leaves as it is.
    assert "command" not in container
    assert container["args"][0] == record["Config"]["Cmd"][0]
    ports = {f"{port['containerPort']}/tcp" for port in container["ports"] if port["name"] == "https"}
    assert ports == set(record["Config"]["ExposedPorts"])


def test_the_programs_that_kubernetes_yaml_counts_on_are_there(files: Path) -> None:
    """The DaemonSet's: from the base."""
    for program in ("chroot", "sleep"):
        assert any((files / folder / program).exists() for folder in ("usr/sbin", "usr/bin"))


def test_the_site_is_there_byte_for_byte(files: Path) -> None:
    site = CHECKOUT / "config" / "site"
    assert digests(files / "srv" / "site") == digests(site)
    assert digests(site)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_server_may_write_to_its_own_folder_alone(files: Path) -> None:
    # Devices are the runtime's, whatever the base has there.
    written = [
        path for path in all_files(files) if may_be_written(path.lstat()) and not path.is_relative_to(files / "dev")
    ]
    assert [str(path.relative_to(files)) for path in written] == ["var/lib/ktlsserve"]
    assert stat.S_IMODE(written[0].stat().st_mode) == 0o700


def all_files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            yield Path(folder, name)


def may_be_written(status: os.stat_result) -> bool:
    sticky = status.st_mode & stat.S_ISVTX
    others = status.st_mode & stat.S_IWOTH and not stat.S_ISLNK(status.st_mode) and not sticky
    return bool(others) or USER in (status.st_uid, status.st_gid)


def test_whatever_the_server_imports_is_compiled(engine: Engine, image: str) -> None:
    """Python's library is not, in the base, and a read-only file system stays so."""
    script = (
        "import os, sys, ktlsserve.supervisor.run, ktlsserve.healthcheck, ktlsserve.cli, ktlsserve.config.file\n"
        "print(*[name for name, module in sys.modules.items()"
        " if (file := getattr(module, '__cached__', None)) and not os.path.exists(file)])"
    )
    options = ("--rm", "--network=none", "--entrypoint=/opt/venv/bin/python")
    assert engine.podman("run", *options, image, "-c", script) == "\n"


def test_nothing_is_shipped_that_only_building_needs(files: Path) -> None:
    packages = {path.name for path in (files / "opt" / "venv").glob("lib/python3.*/site-packages/*")}
    assert {"OpenSSL", "bcrypt", "cryptography", "h11", "ktlsserve"} <= packages
    assert not {"pip", "hatchling", "pytest", "zstandard"} & packages
    assert not list(files.glob("src/*"))
    assert not list(files.glob("opt/wheels"))
    assert (files / "usr/share/doc/ktlsserve/LICENSE").is_file()


def test_it_adds_little_to_its_base(engine: Engine, image: str, base: str) -> None:
    sizes = [json.loads(engine.podman("image", "inspect", name))[0]["Size"] for name in (image, base)]
    assert sizes[0] - sizes[1] < 40 * MIB


def test_the_dockerfile_is_linted() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, CHECKOUT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
