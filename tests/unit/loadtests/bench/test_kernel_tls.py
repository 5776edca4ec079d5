from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.bench.errors import RunFailed
from loadtests.bench.kernel_tls import connections, encrypting, parse_connections

STATISTICS = "TlsCurrTxSw 0\nTlsTxSw {software}\nTlsTxDevice {device}\nTlsDecryptError 0\n"


def write(file: Path, software: int, device: int = 0) -> None:
    file.write_text(STATISTICS.format(software=software, device=device), encoding="ascii")


def test_connections_in_software_and_on_a_device() -> None:
    assert parse_connections(STATISTICS.format(software=3, device=4)) == 7


def test_a_kernel_without_tls_encrypts_nothing(tmp_path: Path) -> None:
    assert connections(tmp_path / "tls_stat") == 0


@pytest.mark.parametrize("grown", [True, False])
def test_who_encrypted_is_asked_of_the_kernel(tmp_path: Path, grown: bool) -> None:
    file = tmp_path / "tls_stat"
    write(file, 5)
    with encrypting(by_kernel=grown, statistics=file):
        write(file, 5 + grown)


def test_kernel_tls_by_openssl_is_no_figure(tmp_path: Path) -> None:
    file = tmp_path / "tls_stat"
    write(file, 5)
    with pytest.raises(RunFailed, match="for no connection"), encrypting(by_kernel=True, statistics=file):
        pass


def test_userspace_tls_by_the_kernel_is_no_figure(tmp_path: Path) -> None:
    file = tmp_path / "tls_stat"
    write(file, 5)
    with pytest.raises(RunFailed, match="not OpenSSL"), encrypting(by_kernel=False, statistics=file):
        write(file, 5, device=1)
