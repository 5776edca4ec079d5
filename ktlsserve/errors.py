"""Every error that ktlsserve raises on purpose.

::

    KtlsServeError
    ├── UsageError                 the command line is wrong                              exit 2
    ├── ConfigError                the configuration is wrong; all problems at once       exit 2
    ├── StartupError               everything is well-formed, but the server can't start  exit 3
    │   ├── ListenError            an address can't be bound
    │   ├── CertificateError       a certificate or key can't be read or doesn't fit
    │   ├── TicketKeyError         a key of session tickets can't be read or is none
    │   ├── OpensslFunctionMissing a function of OpenSSL's that isn't bound can't be found
    │   ├── RootError              the folder to serve can't be opened
    │   └── KernelTlsMissing       ``--tls kernel`` on a machine whose kernel can't
    ├── Unhealthy                  ``ktlsserve healthcheck`` found a server that isn't ready
    ├── ProxyHeaderError           a load balancer's connection doesn't begin with a PROXY header
    ├── HandshakeError             the peer didn't complete a TLS handshake
    ├── HandoverError              one step of giving a connection's keys to the kernel failed
    │   ├── UlpError               setsockopt(SOL_TCP, TCP_ULP, "tls")
    │   ├── TxKeyError             setsockopt(SOL_TLS, TLS_TX)
    │   └── RxKeyError             setsockopt(SOL_TLS, TLS_RX)
    ├── IllegalTransition          a connection was moved to a state it can't reach: a bug
    ├── FileTruncated              a file lost bytes that its reply's head had promised
    ├── PeerViolation              the peer broke the record protocol after the handshake
    │   └── KeyUpdateUnsupported   it did no wrong, but this kernel can't change keys
    └── RequestError               a request is answered with ``status``

Whatever else escapes is a bug, and is logged as one.
"""

from __future__ import annotations

import errno as codes
import os
from collections.abc import Mapping, Sequence
from typing import ClassVar

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_STARTUP = 3


class KtlsServeError(Exception):
    """Root of all errors raised on purpose; ``exit_status`` is what the program ends with."""

    exit_status = EXIT_BUG


class UsageError(KtlsServeError):
    """The command line can't be understood."""

    exit_status = EXIT_USAGE


class ConfigError(KtlsServeError):
    """The configuration is wrong.

    ``problems`` lists every fault found, each as (key path, message), so that one run shows them all.
    """

    exit_status = EXIT_USAGE

    def __init__(self, problems: Sequence[tuple[str, str]], source: str | None = None) -> None:
        self.problems = tuple(problems)
        self.source = source
        where = f"{source}: " if source else ""
        super().__init__("\n".join(f"{where}{key}: {message}" for key, message in self.problems))


class StartupError(KtlsServeError):
    """The server can't start here and now, although what was asked for is well-formed."""

    exit_status = EXIT_STARTUP


class ListenError(StartupError):
    """An address can't be bound."""


class CertificateError(StartupError):
    """A certificate or its key can't be read, parsed or used together."""


class TicketKeyError(StartupError):
    """A key of session tickets can't be read, is no key, or is everybody's."""


class OpensslFunctionMissing(StartupError):
    """A function of OpenSSL's that cryptography doesn't bind can't be found in this build of it."""


class RootError(StartupError):
    """The folder to serve is missing, is no folder, or can't be read."""


class KernelTlsMissing(StartupError):
    """The kernel was required to encrypt, and this one can't."""


class Unhealthy(KtlsServeError):
    """The server isn't ready, or can't be asked."""


class ProxyHeaderError(KtlsServeError):
    """A connection doesn't begin with a valid PROXY header, although its source must send one."""


class HandshakeError(KtlsServeError):
    """The peer didn't complete a TLS handshake; the text is for the log."""


class HandoverError(KtlsServeError):
    """One step of the hand-over to the kernel failed; ``errno`` and ``cure`` tell why and what to do."""

    step = "hand-over"
    cures: ClassVar[Mapping[int, str]] = {}

    def __init__(self, errno: int) -> None:
        self.errno = errno
        self.cure = self.cures.get(errno, "run 'ktlsserve doctor'")
        super().__init__(f"{self.step}: {os.strerror(errno)}; {self.cure}")


class UlpError(HandoverError):
    """The connection can't be given the TLS upper-layer protocol (Documentation/networking/tls.rst)."""

    step = "setsockopt(SOL_TCP, TCP_ULP, 'tls')"
    cures: ClassVar[Mapping[int, str]] = {
        codes.ENOENT: "load the kernel module: modprobe tls",
        codes.ENOTCONN: "the peer had already closed its side",
        codes.ENOPROTOOPT: "this kernel has no upper-layer protocols: use a kernel with CONFIG_TLS",
        codes.EEXIST: "the socket has an upper-layer protocol already",
    }


class TxKeyError(HandoverError):
    """The kernel refused the sending key; nothing was changed."""

    step = "setsockopt(SOL_TLS, TLS_TX)"
    cures: ClassVar[Mapping[int, str]] = {
        codes.EINVAL: "this kernel doesn't take the cipher",
        codes.ENOENT: "load the kernel's cipher modules: modprobe gcm aesni_intel chacha20poly1305",
        codes.ENOPROTOOPT: "the TLS upper-layer protocol isn't attached",
        codes.EBUSY: "a key is installed already",
    }


class RxKeyError(HandoverError):
    """The kernel refused the receiving key."""

    step = "setsockopt(SOL_TLS, TLS_RX)"
    cures: ClassVar[Mapping[int, str]] = TxKeyError.cures


class IllegalTransition(KtlsServeError):
    """A connection was told to move to a state that its present one doesn't lead to."""


class FileTruncated(KtlsServeError):
    """A file ends before the length that its reply's head has announced: the connection must be aborted."""


class PeerViolation(KtlsServeError):
    """The peer sent what the record protocol or our limits forbid; the connection ends."""


class KeyUpdateUnsupported(PeerViolation):
    """The peer asked for new keys, which this kernel can't take; the connection ends in order, with close_notify."""


class RequestError(KtlsServeError):
    """A request that is answered with an error.

    ``status`` is the HTTP status to answer with; ``reason`` is said in the log and, in general terms, to the client.
    ``allow`` lists the methods for a 405 (RFC 9110 section 15.5.6). After ``fatal`` errors the bytes that follow
    can't be trusted to be a request, so the connection closes.
    """

    def __init__(self, status: int, reason: str, *, fatal: bool = False, allow: tuple[bytes, ...] = ()) -> None:
        self.status = status
        self.reason = reason
        self.fatal = fatal
        self.allow = allow
        super().__init__(f"{status}: {reason}")
