"""The doctor's report: one verdict, then the checks; as text for people or as JSON for programs."""

from __future__ import annotations

import itertools
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from ktlsserve.doctor.check import Check, Status
from ktlsserve.doctor.kernel_checks import cipher_labels
from ktlsserve.kernel.floors import FloorVerdict
from ktlsserve.kernel.probe import KernelTls
from ktlsserve.tls.suites import Cipher, TlsVersion

# Counts up when a key of the JSON report goes away or changes its meaning; new keys don't count.
SCHEMA = 1

HOST_SETUP = "config/host-setup.md"
"""Where the project tells what a host needs, beside its sources."""

_WIDTH = 118
_COLOURS = {Status.OK: "32", Status.INFO: "2", Status.WARN: "33", Status.NO: "31", Status.UNKNOWN: "35"}
_STATUS_COLUMN = max(len(status.value) for status in Status)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found."""

    kernel: KernelTls
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> str:
        """One line: who encrypts here, with what, and why not the kernel where it doesn't."""
        kernel = self.kernel
        if not kernel.available:
            return f"The kernel can't encrypt here, OpenSSL does (tls=userspace): {kernel.reason}"
        receives = "yes" if kernel.rx and kernel.rx_safe else f"no ({self._receive_reason()})"
        return f"The kernel can encrypt here: tls=kernel, {_offer(kernel)}; receive in kernel: {receives}"

    def _receive_reason(self) -> str:
        return self.kernel.rx_floor.reason if self.kernel.rx else "it takes no key for receiving"

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "checks": [
                {
                    "id": check.id,
                    "group": check.group,
                    "name": check.name,
                    "status": check.status.value,
                    "detail": check.detail,
                    "reason": check.reason,
                    "cure": check.cure,
                }
                for check in self.checks
            ],
            "kernel": _kernel_as_json(self.kernel),
        }


def write_json(report: Report, out: TextIO) -> None:
    """Write the report as one JSON object."""
    json.dump(report.as_json(), out, indent=2)
    out.write("\n")


def write_text(report: Report, out: TextIO, *, colour: bool) -> None:
    """Write the report for reading: the verdict, then one aligned line per check, with why and cure below it.

    The same reason and cure are written once: without kernel TLS half of the checks have that of the verdict.
    """
    out.write(report.verdict + "\n")
    if not report.kernel.available:
        out.write(f"What to do: {report.kernel.cure}\n")
    said = {(report.kernel.reason, report.kernel.cure)}
    name_column = max((len(check.name) for check in report.checks), default=0)
    for group, checks in itertools.groupby(report.checks, key=lambda check: check.group):
        out.write(f"\n{group}\n")
        for check in checks:
            _write_finding(check, name_column, out, colour=colour)
            if (check.reason, check.cure) not in said:
                _write_advice(check, name_column, out)
                said.add((check.reason, check.cure))
    out.write(f"\nHow to set up a host, step by step: {HOST_SETUP}\n")


def wants_colour(out: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether ``out`` is a terminal whose user didn't decline colours (the NO_COLOR convention)."""
    return out.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _write_finding(check: Check, name_column: int, out: TextIO, *, colour: bool) -> None:
    word = check.status.value.ljust(_STATUS_COLUMN)
    if colour:
        word = f"\x1b[{_COLOURS[check.status]}m{word}\x1b[0m"
    out.write(f"  {word}  {check.name.ljust(name_column)}  {check.detail}".rstrip() + "\n")


def _write_advice(check: Check, name_column: int, out: TextIO) -> None:
    indent = " " * (2 + _STATUS_COLUMN + 2 + name_column + 2)
    for label, text in (("why:  ", check.reason), ("cure: ", check.cure)):
        if text:
            continued = indent + " " * len(label)
            lines = textwrap.wrap(text, _WIDTH - len(continued), break_long_words=False, break_on_hyphens=False)
            out.write(indent + label + f"\n{continued}".join(lines) + "\n")


def _offer(kernel: KernelTls) -> str:
    """Name versions and ciphers: once where all versions take the same, else for each version."""
    versions = [version for version in reversed(TlsVersion) if cipher_labels(kernel.tx, version)]
    ciphers = {version: cipher_labels(kernel.tx, version) for version in versions}
    if len(set(ciphers.values())) == 1:
        return " and ".join(version.label for version in versions) + ", " + ciphers[versions[0]]
    return ", ".join(f"{version.label} ({ciphers[version]})" for version in versions)


def _kernel_as_json(kernel: KernelTls) -> dict[str, Any]:
    return {
        "available": kernel.available,
        "reason": kernel.reason,
        "cure": kernel.cure,
        "release": kernel.kernel_release,
        "tx": _pairs_as_json(kernel.tx),
        "rx": _pairs_as_json(kernel.rx),
        "rx_safe": kernel.rx_safe,
        "rx_floor": _floor_as_json(kernel.rx_floor),
        "tx_floor": _floor_as_json(kernel.tx_floor),
        "rekey": kernel.rekey,
        "max_payload_len": kernel.max_payload_len,
        "refusals": [
            {
                "direction": refusal.direction.name.lower(),
                "version": refusal.version.label,
                "cipher": refusal.cipher.label,
                "reason": refusal.reason,
                "cure": refusal.cure,
            }
            for refusal in kernel.refusals
        ],
    }


def _pairs_as_json(pairs: frozenset[tuple[TlsVersion, Cipher]]) -> Sequence[dict[str, str]]:
    return [
        {"version": version.label, "cipher": cipher.label}
        for version in reversed(TlsVersion)
        for cipher in Cipher
        if (version, cipher) in pairs
    ]


def _floor_as_json(verdict: FloorVerdict) -> dict[str, Any]:
    return {"met": verdict.met, "reason": verdict.reason, "cure": verdict.cure}
