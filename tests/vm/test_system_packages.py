from pathlib import Path

import pytest

from tests.vm import private_apt, system_packages
from tests.vm.errors import PackagesError
from tests.vm.system_packages import PACKAGES_FILE, Package, missing_packages, parse_packages, require_packages


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only place where programs are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(system_packages, "_SYSTEM_PATH", str(tmp_path))
    for package in parse_packages(PACKAGES_FILE.read_text(encoding="utf-8")):
        put(tmp_path / package.program, f"echo version {package.least_version}.1")
    return tmp_path


def put(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)


def test_lines_are_package_program_and_least_version() -> None:
    text = "# why\n\nkmod  modprobe  # modules\nqemu-system-x86 qemu-system-x86_64 8\nvpx-tools vpxenc outside\n"
    assert parse_packages(text) == [
        Package("kmod", "modprobe"),
        Package("qemu-system-x86", "qemu-system-x86_64", 8),
        Package("vpx-tools", "vpxenc", in_guests=False),
    ]


def test_a_machine_that_has_everything_misses_nothing(programs: Path) -> None:
    assert missing_packages() == []
    require_packages()


def test_a_missing_program_names_its_package(programs: Path) -> None:
    (programs / "modprobe").unlink()
    assert missing_packages() == ["kmod"]


def test_guests_do_without_what_is_used_outside(programs: Path) -> None:
    (programs / "chromium").unlink()
    assert missing_packages() == ["chromium"]
    require_packages(for_guests=True)
    (programs / "curl").unlink()
    with pytest.raises(PackagesError, match=r"missing: curl\."):
        require_packages(for_guests=True)


def test_an_old_emulator_counts_as_missing(programs: Path) -> None:
    put(programs / "qemu-system-x86_64", "echo QEMU emulator version 7.2.19 '(Debian 1:7.2+dfsg-7+deb12u16)'")
    assert missing_packages() == ["qemu-system-x86"]


def test_a_dynamic_busybox_counts_as_missing(programs: Path) -> None:
    (programs / "busybox").write_bytes(b"\x7fELF" + bytes(500) + b"/lib64/ld-linux-x86-64.so.2\0")
    assert missing_packages() == ["busybox-static"]


def test_the_message_says_how_to_install(programs: Path) -> None:
    (programs / "strace").unlink()
    with pytest.raises(PackagesError, match=r"missing: strace.*python -m tests.vm packages.*apt-get install strace"):
        require_packages()


@pytest.mark.parametrize(("program", "backports"), [("qemu-system-x86_64", True), ("strace", False)])
def test_on_an_old_release_the_emulator_comes_from_its_backports(
    program: str, backports: bool, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_apt, "machine_release", lambda: "bookworm")
    (programs / program).unlink()
    with pytest.raises(PackagesError) as refusal:
        require_packages()
    assert ("-t bookworm-backports" in str(refusal.value)) == backports
