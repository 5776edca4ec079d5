"""The few OpenSSL calls that pyOpenSSL binds but doesn't expose.

They reach into private attributes, so they stand here alone, and the tests fail when an upgrade moves them.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL

_lib: Any = SSL._lib  # type: ignore[attr-defined]  # noqa: SLF001
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]  # noqa: SLF001


def set_groups(context: SSL.Context, names: tuple[str, ...]) -> None:
    """Offer these key-exchange groups, in this order of preference (SSL_CTX_set1_groups_list(3)).

    Raises ValueError when this OpenSSL doesn't know one of them.
    """
    # set1_curves_list is the same call under the name it had before TLS 1.3.
    if _lib.SSL_CTX_set1_curves_list(context._context, ":".join(names).encode("ascii")) != 1:  # noqa: SLF001
        raise ValueError(f"this OpenSSL doesn't know all of the groups {', '.join(names)}")


def session_reused(connection: SSL.Connection) -> bool:
    """Tell whether the handshake resumed an earlier session (SSL_session_reused(3))."""
    return bool(_lib.SSL_session_reused(connection._ssl))  # noqa: SLF001


def verify_error_text(error: int) -> str:
    """Say in words why a certificate was refused (X509_verify_cert_error_string(3))."""
    return bytes(_ffi.string(_lib.X509_verify_cert_error_string(error))).decode("ascii", "replace")
