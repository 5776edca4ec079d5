"""Server contexts for tests, with certificates made once in a run."""

from __future__ import annotations

from functools import cache

from ktlsserve.tls.certificate_files import pair
from ktlsserve.tls.certificates import CertificateChain, CertificateIndex
from ktlsserve.tls.context import ServerContext, TlsPolicy
from ktlsserve.tls.handshake import Established, Handshake
from ktlsserve.tls.suites import SUITES, Suite
from tests.support.pki import Issued, new_authority

GROUPS = ("X25519MLKEM768", "X25519", "P-256")
MAX_BYTES = 65536


@cache
def authority() -> Issued:
    """Return the root of every chain."""
    return new_authority()


@cache
def chain(kind: str = "p256", names: tuple[str, ...] = ("localhost",), *, intermediate: str = "") -> CertificateChain:
    """Return a server's chain with a key of ``kind``, below an intermediate authority where one is named."""
    issuer = authority().issue(intermediate, authority=True) if intermediate else authority()
    leaf = issuer.issue(f"{kind} {' '.join(names)}", names, kind=kind)
    others = (issuer.certificate,) if intermediate else ()
    return pair((leaf.certificate, *others), leaf.key, f"{kind}.pem", f"{kind}.key")


def policy(
    suites: tuple[Suite, ...] = SUITES, *, groups: tuple[str, ...] = GROUPS, capture_secrets: bool = True
) -> TlsPolicy:
    """Return a policy; sessions last as long as by default."""
    return TlsPolicy(suites, groups, session_lifetime_s=7200, capture_secrets=capture_secrets)


def new_context(*chains: CertificateChain, terms: TlsPolicy | None = None) -> ServerContext:
    """Make a context, with an ECDSA certificate for localhost unless others are given."""
    return ServerContext(CertificateIndex(chains or (chain(),)), terms or policy())


@cache
def common_context() -> ServerContext:
    """Return one context that tests share; it has certificates of all kinds for localhost."""
    return new_context(chain("p256"), chain("rsa"), chain("ed25519"))


def new_handshake(
    context: ServerContext | None = None, *, exact: bool = True, max_bytes: int = MAX_BYTES, now_s: float = 0.0
) -> Handshake:
    """Begin a handshake."""
    return Handshake(context or common_context(), max_bytes=max_bytes, exact=exact, now_s=now_s)


def established(handshake: Handshake) -> Established:
    """Return what a handshake came to, which must be finished."""
    assert handshake.established is not None
    return handshake.established
