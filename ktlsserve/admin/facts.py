"""What doesn't change while a generation of workers serves."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.backends.openssl import backend

from ktlsserve import __version__
from ktlsserve.worker.service import Service

Encryption = Literal["kernel", "userspace", "off"]


@dataclass(frozen=True, slots=True)
class CertificateFact:
    """A certificate that is served: its first name and all names, the kind of its key, its end, where it came from.

    ``expires_s`` is in seconds since the epoch.
    """

    name: str
    names: tuple[str, ...]
    key: str
    expires_s: int
    source: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The program and what it serves with; ``sends`` and ``receives`` are who encrypts and decrypts, as planned."""

    version: str
    python: str
    openssl: str
    sends: Encryption
    receives: Encryption
    certificates: tuple[CertificateFact, ...]


def facts_of(service: Service) -> Facts:
    """Gather the facts of a service."""
    sends: Encryption = "off"
    receives: Encryption = "off"
    certificates: tuple[CertificateFact, ...] = ()
    if service.tls is not None:
        sends = "kernel" if service.tls.plan.kernel_sends else "userspace"
        receives = "kernel" if service.tls.plan.kernel_receives else "userspace"
        certificates = tuple(
            CertificateFact(
                name=chain.names[0] if chain.names else "",
                names=chain.names,
                key=chain.key_kind.value,
                expires_s=int(chain.not_after.timestamp()),
                source=chain.source,
            )
            for chain in service.tls.context.chains
        )
    return Facts(
        version=__version__,
        python=platform.python_version(),
        openssl=backend.openssl_version_text().split(" ")[1],
        sends=sends,
        receives=receives,
        certificates=certificates,
    )
