from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ktlsserve.errors import RxKeyError, TxKeyError, UlpError
from ktlsserve.kernel import ktls, probe
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.probe import Direction, loopback_connection, machine_version, probe_kernel_tls
from ktlsserve.tls.suites import Cipher, TlsVersion
from tests.support.machines import DEBIAN_13, MachineBuilder

ALL = frozenset((version, cipher) for version in TlsVersion for cipher in Cipher)
OPTION_BYTES = {Cipher.AES_128_GCM: 40, Cipher.AES_256_GCM: 56, Cipher.CHACHA20_POLY1305: 56}


def open_descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


class FakeKernel:
    """Stands in for the three hand-over calls, with the rules of net/tls/tls_main.c that the probe relies on."""

    def __init__(self, *, takes: Callable[[str, TlsVersion, int], int] = lambda *_: 0, rekeys: bool = False) -> None:
        self.takes = takes
        self.rekeys = rekeys
        self.ulp_errno = 0
        self.keyed: dict[int, tuple[TlsVersion, int]] = {}
        self.with_tx: set[int] = set()
        self.connections = 0

    def attach_ulp(self, sock: socket.socket) -> None:
        sock.getpeername()  # the kernel wants TCP_ESTABLISHED
        if self.ulp_errno:
            raise UlpError(self.ulp_errno)
        self.keyed.pop(sock.fileno(), None)
        self.with_tx.discard(sock.fileno())
        self.connections += 1

    def install_tx(self, sock: socket.socket, crypto_info: bytes) -> None:
        version, cipher_type = self._check("tx", sock, crypto_info, TxKeyError)
        if sock.fileno() in self.with_tx and not (self.rekeys and version is TlsVersion.TLS1_3):
            raise TxKeyError(errno.EBUSY)
        self.with_tx.add(sock.fileno())
        self.keyed[sock.fileno()] = version, cipher_type

    def install_rx(self, sock: socket.socket, crypto_info: bytes) -> None:
        self.keyed[sock.fileno()] = self._check("rx", sock, crypto_info, RxKeyError)

    def _check(
        self, direction: str, sock: socket.socket, crypto_info: bytes, error: type[TxKeyError | RxKeyError]
    ) -> tuple[TlsVersion, int]:
        version = TlsVersion(int.from_bytes(crypto_info[:2], "little"))
        cipher_type = int.from_bytes(crypto_info[2:4], sys.byteorder)
        cipher = next(one for one in Cipher if one.value.cipher_type == cipher_type)
        if len(crypto_info) != OPTION_BYTES[cipher]:
            raise error(errno.EINVAL)
        if self.keyed.get(sock.fileno(), (version, cipher_type)) != (version, cipher_type):
            raise error(errno.EINVAL)
        if refusal := self.takes(direction, version, cipher_type):
            raise error(refusal)
        return version, cipher_type


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeKernel], FakeKernel]:
    def put_in_place(kernel: FakeKernel) -> FakeKernel:
        for name in ("attach_ulp", "install_tx", "install_rx"):
            monkeypatch.setattr(ktls, name, getattr(kernel, name))
        return kernel

    return put_in_place


Install = Callable[[FakeKernel], FakeKernel]


def test_a_kernel_that_takes_everything(tmp_path: Path, install: Install) -> None:
    kernel = install(FakeKernel(rekeys=True))
    found = probe_kernel_tls(MachineBuilder(tmp_path).build())
    assert (found.available, found.reason, found.cure) == (True, "", "")
    assert found.tx == found.rx == ALL
    assert found.rekey
    assert found.rx_safe
    assert found.tx_floor.met
    assert found.refusals == ()
    assert found.kernel_release == DEBIAN_13
    assert kernel.connections == len(ALL)


def test_a_second_key_that_is_refused_tells_that_there_is_no_rekey(tmp_path: Path, install: Install) -> None:
    install(FakeKernel(rekeys=False))
    found = probe_kernel_tls(MachineBuilder(tmp_path).build())
    assert not found.rekey
    assert found.tx == ALL


def test_a_missing_cipher_is_missing_where_it_is_and_explained(tmp_path: Path, install: Install) -> None:
    def takes(direction: str, version: TlsVersion, cipher_type: int) -> int:
        if cipher_type == 54:
            return errno.ENOENT
        return errno.EINVAL if (direction, version) == ("rx", TlsVersion.TLS1_3) else 0

    install(FakeKernel(takes=takes))
    found = probe_kernel_tls(MachineBuilder(tmp_path).build())
    gcm = {(version, cipher) for version, cipher in ALL if cipher is not Cipher.CHACHA20_POLY1305}
    assert found.available
    assert found.tx == gcm
    assert found.rx == {(version, cipher) for version, cipher in gcm if version is TlsVersion.TLS1_2}
    refused = {(one.direction, one.version, one.cipher) for one in found.refusals}
    assert refused == {(Direction.TX, *pair) for pair in ALL - found.tx} | {
        (Direction.RX, *pair) for pair in ALL - found.rx
    }
    for one in found.refusals:
        if one.cipher is Cipher.CHACHA20_POLY1305:
            assert os.strerror(errno.ENOENT) in one.reason
            assert "chacha20poly1305" in one.cure
        assert one.reason.startswith(f"setsockopt(SOL_TLS, TLS_{one.direction.name})")


def test_a_kernel_with_the_ulp_that_takes_no_key_is_not_available(tmp_path: Path, install: Install) -> None:
    install(FakeKernel(takes=lambda direction, *_: errno.EINVAL if direction == "tx" else 0))
    found = probe_kernel_tls(MachineBuilder(tmp_path).build())
    assert not found.available
    assert found.tx == frozenset()
    assert found.reason.startswith("the kernel takes no key for sending: setsockopt(SOL_TLS, TLS_TX)")
    assert found.cure == "this kernel doesn't take the cipher"


def test_a_missing_ulp_is_explained_once(tmp_path: Path, install: Install) -> None:
    kernel = install(FakeKernel())
    kernel.ulp_errno = errno.ENOENT
    machine = MachineBuilder(tmp_path).build({f"/boot/config-{DEBIAN_13}": ""})
    found = probe_kernel_tls(machine)
    assert not found.available
    assert "CONFIG_TLS is not set" in found.reason
    assert found.cure
    assert found.tx == found.rx == frozenset()
    assert found.rx_safe, "the floor is a fact about the version, whatever else is missing"


def test_files_that_cannot_be_read_take_the_detail_and_not_the_answer(tmp_path: Path, install: Install) -> None:
    kernel = install(FakeKernel())
    kernel.ulp_errno = errno.ENOENT
    machine = MachineBuilder(tmp_path).build({"/proc/config.gz": b"not gzip"})
    found = probe_kernel_tls(machine)
    assert not found.available
    assert "no more is known" in found.reason
    assert found.cure == "load the kernel module: modprobe tls"


def test_an_unreadable_banner_leaves_the_release(tmp_path: Path) -> None:
    machine = MachineBuilder(tmp_path).build()
    (tmp_path / "proc/version").unlink()
    (tmp_path / "proc/version").mkdir()
    assert str(machine_version(machine)) == "6.12.107"


def test_the_version_is_ubuntu_s_where_ubuntu_tells_it(tmp_path: Path) -> None:
    builder = MachineBuilder(tmp_path, release="6.8.0-60-generic")
    machine = builder.build({"/proc/version_signature": "Ubuntu 6.8.0-60.63-generic 6.8.12\n", "/proc/version": ""})
    assert str(machine_version(machine)) == "6.8.12"


def test_receiving_is_not_safe_below_the_floor(tmp_path: Path, install: Install) -> None:
    install(FakeKernel())
    banner = "Linux version 6.1.0-35-amd64 () () #1 SMP PREEMPT_DYNAMIC Debian 6.1.137-1 (2025-05-07)\n"
    machine = MachineBuilder(tmp_path, release="6.1.0-35-amd64").build({"/proc/version": banner})
    found = probe_kernel_tls(machine)
    assert found.rx == ALL
    assert not found.rx_safe
    assert "6.1.137" in found.rx_floor.reason
    assert found.tx_floor.met is False


def test_another_system_is_told_so_without_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_socket(*_: object, **__: object) -> socket.socket:
        raise AssertionError("nothing to ask there")

    monkeypatch.setattr(socket, "create_server", no_socket)
    found = probe_kernel_tls(MachineBuilder(tmp_path, platform="darwin", release="24.6.0").build({"/proc/version": ""}))
    assert not found.available
    assert found.reason == "kernel TLS is a part of Linux, and this is darwin"
    assert found.cure == "run ktlsserve on Linux"


def test_without_a_loopback_the_reason_is_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> socket.socket:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))

    monkeypatch.setattr(socket, "create_server", refused)
    found = probe_kernel_tls(MachineBuilder(tmp_path).build())
    assert not found.available
    assert "no loopback connection" in found.reason


def test_the_loopback_connection_falls_back_to_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("probed for IPv6: none here")
    real = socket.create_server

    def only_ipv6(address: tuple[str, int], *, family: int) -> socket.socket:
        if family == socket.AF_INET:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        return real(address, family=family)

    monkeypatch.setattr(socket, "create_server", only_ipv6)
    with loopback_connection() as sock:
        assert sock.getpeername()[0] == "::1"


def test_the_loopback_connection_is_closed_with_everything() -> None:
    before = open_descriptors()
    with loopback_connection() as sock:
        assert sock.getpeername()[0] == "127.0.0.1"
    assert open_descriptors() == before


def test_the_probe_of_this_machine_answers_one_way_or_the_other() -> None:
    """On a kernel without kTLS this is the whole way down to the real explanation."""
    before = open_descriptors()
    found = probe_kernel_tls()
    assert found.available is bool(found.tx)
    assert bool(found.reason) is bool(found.cure) is not found.available
    assert found.kernel_release == Machine().release
    assert open_descriptors() == before


@pytest.mark.parametrize("accepts", [True, False])
def test_the_record_size_option_is_asked_with_two_bytes(
    tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch, accepts: bool
) -> None:
    asked = []

    class Recorder:
        def setsockopt(self, level: int, option: int, value: bytes) -> None:
            asked.append((level, option, value))
            if not accepts:
                raise OSError(errno.ENOPROTOOPT, "")

    findings = probe._Findings()
    install(FakeKernel())
    monkeypatch.setattr(ktls, "install_tx", lambda *_: None)
    probe._probe_options(Recorder(), TlsVersion.TLS1_2, b"", findings)  # type: ignore[arg-type]
    assert asked == [(282, 5, (16384).to_bytes(2, sys.byteorder))]
    assert findings.max_payload_len is accepts
