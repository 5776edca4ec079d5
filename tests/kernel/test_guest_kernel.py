"""The ground that the other tests here stand on: this kernel really encrypts and decrypts, and with the fast driver."""

import os
import platform
import re
import struct
from pathlib import Path

import pytest

from tests.support.ktls_kernel import SOL_TLS, TCP_ULP, loopback_pair

TLS_TX = 1
TLS_RX = 2
# struct tls12_crypto_info_aes_gcm_128 (linux/tls.h): version, cipher, iv, key, salt, sequence number
AES_GCM_128 = struct.pack("=HH8s16s4s8s", 0x0304, 51, b"i" * 8, b"k" * 16, b"s" * 4, bytes(8))
PLAINTEXT = b"in clear on both ends only; " * 4096


def tls_counters() -> dict[str, int]:
    lines = Path("/proc/net/tls_stat").read_text(encoding="ascii").splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines)}


def test_a_round_trip_through_the_kernels_cipher() -> None:
    with loopback_pair() as (near, far):
        for end, direction in ((near, TLS_TX), (far, TLS_RX)):
            end.setsockopt(6, TCP_ULP, b"tls")
            end.setsockopt(SOL_TLS, direction, AES_GCM_128)
        near.sendall(PLAINTEXT[:1000])
        assert far.recv(1000) == PLAINTEXT[:1000]


def test_what_goes_over_the_wire_is_records() -> None:
    with loopback_pair() as (near, far):
        near.setsockopt(6, TCP_ULP, b"tls")
        near.setsockopt(SOL_TLS, TLS_TX, AES_GCM_128)
        near.sendall(PLAINTEXT[:1000])
        near.shutdown(1)
        wire = bytearray()
        while data := far.recv(65536):
            wire += data
    # Header (application data, 1.2 on the wire, length), 1000 bytes, inner content type, tag (RFC 8446 section 5.2).
    assert wire[:5] == b"\x17\x03\x03" + struct.pack(">H", 1000 + 1 + 16)
    assert len(wire) == 5 + 1000 + 1 + 16
    assert PLAINTEXT[:16] not in wire


@pytest.mark.parametrize(("direction", "counter"), [(TLS_TX, "TlsTxSw"), (TLS_RX, "TlsRxSw")])
def test_an_installed_key_is_counted(direction: int, counter: str) -> None:
    with loopback_pair() as (near, _):
        near.setsockopt(6, TCP_ULP, b"tls")
        before = tls_counters()
        near.setsockopt(SOL_TLS, direction, AES_GCM_128)
        after = tls_counters()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {counter, counter.replace("Tls", "TlsCurr")}
    assert after[counter] == before[counter] + 1


def test_gcm_is_done_by_the_processors_aes_instructions() -> None:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    if re.search(r"^flags\s*:.*\baes\b", flags, re.MULTILINE) is None:
        pytest.skip("this processor has no AES instructions (no 'aes' among the flags of /proc/cpuinfo)")
    with loopback_pair() as (near, _):  # a cipher is listed once it was used
        near.setsockopt(6, TCP_ULP, b"tls")
        near.setsockopt(SOL_TLS, TLS_TX, AES_GCM_128)
    drivers: list[tuple[int, str]] = []
    for paragraph in Path("/proc/crypto").read_text(encoding="ascii").split("\n\n"):
        fields = {
            key.strip(): value.strip() for key, _, value in (line.partition(":") for line in paragraph.splitlines())
        }
        if fields.get("name") == "gcm(aes)":
            drivers.append((int(fields["priority"]), fields["driver"]))
    assert re.search("aesni|vaes", max(drivers)[1]), drivers


@pytest.mark.skipif("KTLSSERVE_GUEST_RELEASE" not in os.environ, reason="not in a guest: any kernel will do")
def test_the_guest_runs_the_kernel_that_it_was_given() -> None:
    assert platform.release() == os.environ["KTLSSERVE_GUEST_RELEASE"]
