"""The server on a kernel with kTLS, for clients on this machine: in a guest whose port is one of ours.

QEMU forwards a port of 127.0.0.1 into the guest, and nothing out of it. So a client that would take minutes to start
in an emulated machine, such as a browser, stays outside.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.server import toml_document
from tests.support.waiting import wait_until
from tests.vm.cache import cache_root
from tests.vm.exchange import GUEST_PATH
from tests.vm.guest import Guest, GuestOptions
from tests.vm.kernels import provide_kernels, read_specs
from tests.vm.kvm import kvm_works
from tests.vm.system_packages import require_packages

# As long as the boot of a guest may take, twice, behind others that are to end first.
_START_LIMIT_S = 1200.0
_PORT = 8443
# The address is the one that QEMU gives to guests.
_COMMAND = f"""
set -e
for device in /sys/class/net/e*; do
    ip address add 10.0.2.15/24 dev "${{device##*/}}"
    ip link set "${{device##*/}}" up
done
until [ -e {GUEST_PATH}/complete ]; do sleep 0.1; done
cp -r {GUEST_PATH}/site /tmp/site
exec python -m ktlsserve serve --config {GUEST_PATH}/server.toml
"""


class GuestServer:
    """The server in a guest with Linux ``kernel`` (6.12, say), serving a copy of ``root``; kTLS is required there.

    ``certificate_file`` holds certificate and key. Raises GuestError where no guest can be had.
    """

    def __init__(self, kernel: str, root: Path, certificate_file: Path, settings: Mapping[str, object]) -> None:
        require_packages(for_guests=True)
        cache = cache_root()
        (found,) = provide_kernels([read_specs()[kernel]], cache)
        self.port = _free_port()
        forward = f"-netdev user,id=lan,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:{_PORT}"
        options = GuestOptions(
            kvm=kvm_works(found, cache), qemu_options=(f"{forward} -device virtio-net-pci,netdev=lan",)
        )
        document = toml_document(
            {
                "server.root": "/tmp/site",
                "server.listen": [f"0.0.0.0:{_PORT}"],
                "server.workers": 1,
                "tls.mode": "kernel",
                "tls.certificates": [dict.fromkeys(("cert", "key"), str(GUEST_PATH / "certificate.pem"))],
                "log.access_log": str(GUEST_PATH / "access.log"),
                "log.access_format": "json",
                **settings,
            }
        )
        files = {"server.toml": document, "certificate.pem": certificate_file.read_text(encoding="ascii")}
        self._guest = Guest(found, ["sh", "-c", _COMMAND], cache, options, files)
        shutil.copytree(root, self._guest.exchange.path / "site")
        (self._guest.exchange.path / "complete").touch()

    def __enter__(self) -> Self:
        """Wait until it accepts connections, with the kernel encrypting."""
        try:
            wait_until(self._has_started, "the server in the guest", limit_s=_START_LIMIT_S)
            assert " tls=kernel workers=1 root=/tmp/site\n" in self._guest.exchange.text("output")
        except BaseException:
            self._guest.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guest.close()

    @property
    def access_log(self) -> Path:
        """The log of what is asked for, as JSON."""
        return self._guest.exchange.path / "access.log"

    def _has_started(self) -> bool:
        assert self._guest.running(), f"the guest ended:\n{self._guest.exchange.last_words()}"
        return "listening on " in self._guest.exchange.text("output")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
