"""The image as a container on a kernel with kTLS, in a guest: confined as everywhere, and the kernel encrypts."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.engine import CONTAINERS, STORAGE, Engine
from tests.support.privileges import do_without
from tests.support.server import CHECKOUT
from tests.vm.cache import cache_root
from tests.vm.errors import GuestError
from tests.vm.exchange import GUEST_PATH
from tests.vm.guest import Guest, GuestOptions
from tests.vm.kernels import Kernel, provide_kernels, read_specs
from tests.vm.kvm import kvm_works
from tests.vm.system_packages import require_packages

KERNEL = "6.12"
SCRIPT = Path(__file__).with_name("guest_container.sh")
LIMIT_S = 1200.0
USER = 10001


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    try:
        require_packages(for_guests=True)
        (found,) = provide_kernels([read_specs()[KERNEL]], cache_root())
    except GuestError as error:
        do_without(f"no guest with kTLS can be had: {error}")
    return found


@pytest.fixture(scope="module")
def rootfs(engine: Engine, image: str) -> Iterator[Path]:
    """The image's files where guests see them, which have a /tmp of their own."""
    folders = cache_root() / "guests"
    folders.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="image-", dir=folders))
    try:
        engine.unpack(image, folder)
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def said(engine: Engine, image: str, kernel: Kernel, rootfs: Path) -> dict[str, str]:
    """What guest_container.sh says, by its headings."""
    (record,) = json.loads(engine.podman("image", "inspect", image))
    config = record["Config"]
    # A file system has none of what an image says.
    options = [f"--user={config['User']}", *(f"--env={variable}" for variable in config["Env"])]
    command = ["--rootfs", f"{rootfs}:O", *config["Entrypoint"], *config["Cmd"]]
    files = {
        "containers.conf": CONTAINERS,
        "storage.conf": STORAGE.format(driver="overlay", folder="/tmp/engine"),
        "container.sh": SCRIPT.read_text(encoding="utf-8"),
    }
    guest_options = GuestOptions(kvm=kvm_works(kernel, cache_root()), limit_s=LIMIT_S)
    with Guest(
        kernel, ["sh", f"{GUEST_PATH}/container.sh", *options, *command], cache_root(), guest_options, files
    ) as guest:
        guest.wait()
        assert guest.exchange.status == 0, guest.exchange.last_words()
        parts = re.split(r"^== (\w+)\n", guest.exchange.text("output"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_kernel_encrypts_for_a_container_without_rights(said: dict[str, str]) -> None:
    assert "listening on https://127.0.0.1:8443 tls=kernel workers=1 root=/srv/site\n" in said["log"]
    before, after = (dict(line.split() for line in said[name].splitlines()) for name in ("before", "after"))
    assert int(after["TlsTxSw"]) - int(before["TlsTxSw"]) == 1
    style = (CHECKOUT / "config" / "site" / "style.css").read_bytes()
    assert said["fetched"].split()[0] == hashlib.sha256(style).hexdigest()


def test_it_is_confined_there_too(said: dict[str, str]) -> None:
    assert f"confined: user {USER}, capabilities none, no new privileges, not dumpable, landlock ABI" in said["log"]
    status = dict(re.findall(r"^(\w+):\s*(.*)$", said["status"], re.MULTILINE))
    assert status["Uid"].split() == [str(USER)] * 4
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
    assert re.search(r"^\S+ / overlay ro,", said["mounts"], re.MULTILINE)


def test_it_ends_as_it_is_asked_to(said: dict[str, str]) -> None:
    assert said["ended"] == "0\n"
