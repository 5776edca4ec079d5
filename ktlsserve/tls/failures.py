"""Why handshakes fail, in few words: a bounded set, so that what clients do can't make a metric grow."""

from __future__ import annotations

LEFT = "left"
"""The client closed or reset the connection."""

TIMEOUT = "timeout"
"""It took longer than ``timeouts.handshake_s``."""

HAND_OVER = "hand_over"
"""The handshake succeeded, but the kernel didn't take its keys where it has to."""

PROXY_HEADER = "proxy_header"
"""The PROXY header before it is missing or wrong, or came from where none is expected."""

OTHER = "other"

# What messages of HandshakeError contain: this package's own words, and OpenSSL's (ssl/ssl_err.c), in which it also
# repeats the alerts that clients send. The first that is found decides.
_SIGNS = {
    # First, because its subject stands in the message, with any words that it likes.
    "client_certificate": ("peer did not return a certificate", "client certificate"),
    "plain_http": ("plain HTTP on a TLS port",),
    PROXY_HEADER: ("a PROXY header",),
    "not_tls": ("not a TLS record", "wrong version number", "http request"),
    "too_large": ("the handshake is larger",),
    "client_alert": (" alert ",),
    "protocol_version": ("unsupported protocol", "version too low", "no protocols available"),
    "no_common_alpn": ("ALPN", "no application protocol"),
    "no_common_cipher": ("no shared cipher", "no ciphers"),
    "no_common_group": ("no suitable key share", "no suitable groups", "no shared group"),
    "no_common_signature": ("no suitable signature algorithm", "no shared signature"),
    "small_records": ("small records",),
}
REASONS = (*_SIGNS, LEFT, TIMEOUT, HAND_OVER, OTHER)
"""All reasons that there are."""


def failure_reason(message: str) -> str:
    """Return which of ``REASONS`` the message of a HandshakeError names."""
    for reason, signs in _SIGNS.items():
        if any(sign in message for sign in signs):
            return reason
    return OTHER
