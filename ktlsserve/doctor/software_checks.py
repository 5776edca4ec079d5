"""The versions of what the server is made of, and what its OpenSSL can negotiate."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

import cryptography
import OpenSSL
from OpenSSL import SSL

from ktlsserve import __version__
from ktlsserve.config.tls import Tls
from ktlsserve.doctor.check import Check, Examination, Facts, Status
from ktlsserve.tls.openssl_extra import set_groups

GROUP = "software"
OLDEST_PYTHON = (3, 11)


def _python(_facts: Facts) -> Iterator[Check]:
    found = f"{platform.python_implementation()} {platform.python_version()}"
    if sys.version_info >= OLDEST_PYTHON and sys.implementation.name == "cpython":
        yield Check("software.python", GROUP, "Python", Status.OK, found)
        return
    cure = "use CPython {}.{} or later".format(*OLDEST_PYTHON)
    yield Check("software.python", GROUP, "Python", Status.WARN, found, "not what ktlsserve is tested with", cure)


def _packages(_facts: Facts) -> Iterator[Check]:
    yield Check("software.ktlsserve", GROUP, "ktlsserve", Status.INFO, __version__)
    yield Check("software.pyopenssl", GROUP, "pyOpenSSL", Status.INFO, OpenSSL.__version__)
    yield Check("software.cryptography", GROUP, "cryptography", Status.INFO, cryptography.__version__)


def _openssl(_facts: Facts) -> Iterator[Check]:
    """Name the OpenSSL in cryptography's wheel, which pyOpenSSL uses; Python's ssl module may have another."""
    found = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode("ascii", "replace")
    yield Check("software.openssl", GROUP, "OpenSSL", Status.INFO, found)


def _groups(_facts: Facts) -> Iterator[Check]:
    """Each key-exchange group of the default configuration, as this OpenSSL knows it or not."""
    wanted = Tls().groups
    missing = [group for group in wanted if not _knows_group(group)]
    known = " ".join(group for group in wanted if group not in missing)
    if not missing:
        yield Check("software.groups", GROUP, "key exchange", Status.OK, known)
        return
    reason = f"this OpenSSL doesn't know {', '.join(missing)} (X25519MLKEM768 came with OpenSSL 3.5)"
    cure = "upgrade cryptography, whose wheel brings OpenSSL, or name other groups in tls.groups"
    yield Check("software.groups", GROUP, "key exchange", Status.WARN, known, reason, cure)


def _knows_group(group: str) -> bool:
    try:
        set_groups(SSL.Context(SSL.TLS_SERVER_METHOD), (group,))
    except ValueError:
        return False
    return True


SOFTWARE_EXAMINATIONS = (
    Examination("software.python", GROUP, "Python", _python),
    Examination("software.packages", GROUP, "packages", _packages),
    Examination("software.openssl", GROUP, "OpenSSL", _openssl),
    Examination("software.groups", GROUP, "key exchange", _groups),
)
