"""What a release holds."""

from __future__ import annotations

import email
import shutil
import subprocess
import sys
import zipfile

import pytest

import ktlsserve
from tests.packaging.conftest import Built, run
from tests.support.documents import page
from tests.support.server import CHECKOUT

pytestmark = pytest.mark.slow

VERSION = ktlsserve.__version__


def wheel_names(built: Built) -> set[str]:
    with zipfile.ZipFile(built.wheel) as archive:
        return set(archive.namelist())


def test_the_version_is_that_of_the_package(built: Built) -> None:
    assert built.archive.name == f"ktlsserve-{VERSION}.tar.gz"
    assert built.wheel.name == f"ktlsserve-{VERSION}-py3-none-any.whl"
    # In one place: everybody else asks there.
    assert 'dynamic = ["version"]' in (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"\n## [{VERSION}] - " in page("CHANGELOG.md")


def test_twine_has_nothing_to_complain_of(built: Built) -> None:
    text = run(sys.executable, "-m", "twine", "--no-color", "check", "--strict", built.archive, built.wheel)
    assert text.count("PASSED") == 2


def test_the_wheel_has_the_package_typed_and_what_a_system_looks_for(built: Built) -> None:
    names = wheel_names(built)
    sources = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "ktlsserve").rglob("*.py")}
    data = f"ktlsserve-{VERSION}.data/data/"
    shared = {
        f"{data}{path.relative_to(CHECKOUT).as_posix()}" for path in (CHECKOUT / "share").rglob("*") if path.is_file()
    }
    assert len(shared) == 4
    information = {name for name in names if name.startswith(f"ktlsserve-{VERSION}.dist-info/")}
    assert names - information == sources | shared | {"ktlsserve/py.typed"}
    assert any(name.endswith("/licenses/LICENSE") for name in information)


def test_what_the_wheel_says_of_itself(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        told = email.message_from_bytes(archive.read(f"ktlsserve-{VERSION}.dist-info/METADATA"))
    assert (told["Name"], told["Version"], told["License-Expression"]) == ("ktlsserve", VERSION, "Apache-2.0")
    assert told["Requires-Python"] == ">=3.11"
    needed = [name for name in told.get_all("Requires-Dist", []) if "extra ==" not in name]
    assert {name.split(">")[0].lower() for name in needed} == {"cryptography", "pyopenssl", "h11", "prometheus-client"}
    assert str(told.get_payload()).startswith("# ktlsserve\n")


def test_the_archive_has_what_the_repository_has(built: Built) -> None:
    if shutil.which("git") is None or not (CHECKOUT / ".git").exists():
        pytest.skip("looked for a repository, and this is an archive: nothing to compare with")
    listed = run("git", "-C", CHECKOUT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    tracked = {name for name in listed if (CHECKOUT / name).is_file()}
    archived = {path.relative_to(built.source).as_posix() for path in built.source.rglob("*") if path.is_file()}
    assert archived - tracked == {"PKG-INFO"}
    assert tracked - archived == set()


def test_the_tests_of_the_archive_can_be_collected(built: Built) -> None:
    # Assertions are left as they are: to rewrite them takes half a minute, and none is run.
    options = ("--collect-only", "-q", "-p", "no:cacheprovider", "--assert=plain")
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=built.source, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert str(CHECKOUT) not in done.stdout
