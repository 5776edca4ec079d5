"""How a kernel gets from packages into the cache; the programs that unpack and index are played."""

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vm import kernels, private_apt
from tests.vm.apt_sources import Target
from tests.vm.errors import KernelError
from tests.vm.kernels import KernelSpec, provide_kernels

RELEASE = "6.12.117+deb13-amd64"
SPEC = KernelSpec("6.12", "trixie", ("linux-image-{release}",), "6.12", "6.13")


class Archive:
    """What Debian has: the files of the package, and how its programs behave."""

    def __init__(self) -> None:
        self.files = [f"boot/vmlinuz-{RELEASE}", f"usr/lib/modules/{RELEASE}/kernel/tls.ko"]
        self.downloads: list[list[str]] = []
        self.depmod: Callable[[], None] = lambda: None

    def update(self) -> None:
        """Have nothing to do."""

    def package_names(self, prefix: str) -> list[str]:
        return [f"{prefix}image-{RELEASE}", f"{prefix}image-{RELEASE}-dbg"]

    def download(self, names: list[str], into: Path) -> list[Path]:
        self.downloads.append(names)
        return [into / f"{name}.deb" for name in names]

    def command(self, command: list[str]) -> None:
        if command[0] == "depmod":
            self.depmod()
            return
        for name in self.files:
            file = Path(command[-1]) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name, encoding="ascii")


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Archive:
    played = Archive()
    targets = [Target("Debian", "Debian", "bookworm", "https://mirror.invalid/debian/")]
    monkeypatch.setattr(private_apt, "machine_release", lambda: "bookworm")
    monkeypatch.setattr(private_apt, "machine_targets", lambda _scratch: targets)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(private_apt, "keyring", lambda: "/keyring.gpg")
    monkeypatch.setattr(private_apt, "PrivateApt", lambda *_args, **_settings: played)
    monkeypatch.setattr(kernels, "_command", played.command)
    return played


@pytest.mark.parametrize("image", [f"boot/vmlinuz-{RELEASE}", f"usr/lib/modules/{RELEASE}/vmlinuz"])
def test_image_and_modules_lie_where_vng_looks_for_them(archive: Archive, image: str, tmp_path: Path) -> None:
    archive.files[0] = image
    (kernel,) = provide_kernels([SPEC], tmp_path)
    assert kernel.image.read_text(encoding="ascii") == image
    assert (kernel.root / "lib/modules" / RELEASE / "kernel/tls.ko").is_file()
    assert archive.downloads == [[f"linux-image-{RELEASE}"]]


def test_a_kernel_in_the_cache_is_not_fetched_again(archive: Archive, tmp_path: Path) -> None:
    assert provide_kernels([SPEC], tmp_path) == provide_kernels([SPEC], tmp_path)
    assert len(archive.downloads) == 1


def test_an_interrupted_run_leaves_no_kernel_and_the_next_one_makes_it(archive: Archive, tmp_path: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    archive.depmod = interrupted
    with pytest.raises(KeyboardInterrupt):
        provide_kernels([SPEC], tmp_path)
    assert [entry.name for entry in (tmp_path / "kernels").iterdir() if not entry.name.startswith(".partial-")] == []

    archive.depmod = lambda: None
    (kernel,) = provide_kernels([SPEC], tmp_path)
    assert [entry.name for entry in (tmp_path / "kernels").iterdir()] == [RELEASE]
    assert kernel.release == RELEASE


def test_a_package_without_an_image_is_refused(archive: Archive, tmp_path: Path) -> None:
    archive.files = archive.files[1:]
    with pytest.raises(KernelError, match=r"packages of Linux .* hold no image"):
        provide_kernels([SPEC], tmp_path)


def test_a_suite_without_such_a_kernel_is_named(archive: Archive, tmp_path: Path) -> None:
    wanted = KernelSpec("7.2", "forky", ("linux-binary-{release}",), "7.2")
    with pytest.raises(KernelError, match=r"Debian forky has no Linux from 7.2 on"):
        provide_kernels([wanted], tmp_path)
