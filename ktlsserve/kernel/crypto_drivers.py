"""Whether the kernel's AES-GCM uses the CPU's AES instructions, many blocks at a time.

On x86 the fast driver is a module (``aesni_intel``) that udev loads by the CPU's alias and that installing a key does
*not* load: a minimal virtual machine or container host then encrypts three to five times slower, and nothing says so.
The template that takes its place goes block by block. Later kernels have AES instructions even there (``aes-lib``),
which is no better: in Linux 7.2 a MiB over loopback took 22 million instructions, and 5.7 million with the module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ktlsserve.kernel.machine import Machine

# x86: generic-gcm-aesni-avx, generic-gcm-vaes-avx512; arm64: gcm-aes-ce, gcm_base(ctr-aes-ce,ghash-neon);
# s390: gcm-aes-s390; POWER10: aes_gcm_p10; Linux 7.3: gcm-aes-lib.
_ACCELERATED = re.compile(r"aesni|vaes|(?:^|[-_])(?:ce|lib|s390|p10)(?:$|[-_,)])")
# The template ctr over a cipher of single blocks, whatever that is: gcm_base(ctr(aes-generic),ghash-clmulni) up to
# Linux 6.x, gcm_base(ctr(aes-lib),ghash-lib) in 7.2.
_BLOCK_BY_BLOCK = "ctr("


@dataclass(frozen=True, slots=True)
class CryptoDriver:
    """One implementation of an algorithm, as ``/proc/crypto`` lists it."""

    algorithm: str
    driver: str
    module: str
    priority: int

    @property
    def is_accelerated(self) -> bool:
        """Whether the driver's name is one of those that use AES instructions on many blocks at a time."""
        return _ACCELERATED.search(self.driver) is not None and _BLOCK_BY_BLOCK not in self.driver


def parse_proc_crypto(text: str) -> list[CryptoDriver]:
    """Read the paragraphs of ``/proc/crypto``; those without a name, driver or priority are passed over."""
    drivers = []
    for paragraph in re.split(r"\n\s*\n", text):
        pairs = (line.partition(":") for line in paragraph.splitlines())
        fields = {key.strip(): value.strip() for key, _, value in pairs}
        if {"name", "driver", "priority"} <= fields.keys():
            drivers.append(
                CryptoDriver(fields["name"], fields["driver"], fields.get("module", ""), int(fields["priority"]))
            )
    return drivers


def best_driver(machine: Machine, algorithm: str) -> CryptoDriver | None:
    """Return what the kernel would choose for ``algorithm``; None before its first use, when it isn't listed yet."""
    drivers = parse_proc_crypto(machine.read_text("/proc/crypto") or "")
    matching = [driver for driver in drivers if driver.algorithm == algorithm]
    return max(matching, key=lambda driver: driver.priority, default=None)


def cpu_has_aes(machine: Machine) -> bool | None:
    """Whether the CPU has AES instructions; None where ``/proc/cpuinfo`` lists no features (x86 and arm64 do)."""
    for line in (machine.read_text("/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            return "aes" in value.split()
    return None
