"""Response fields that a site sends with every reply."""

from __future__ import annotations

from ktlsserve.http1.reply import Fields

IMMUTABLE = b"public, max-age=31536000, immutable"
"""Cache-Control for files whose names change with their contents: a year, and no revalidation (RFC 8246)."""

STRICT: Fields = (
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
    (b"Referrer-Policy", b"strict-origin-when-cross-origin"),
    (
        b"Content-Security-Policy",
        b"default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    (b"Permissions-Policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)
"""For a site that loads everything from itself, without inline scripts and styles; a rule may replace each field."""

SECURITY_PRESETS: dict[str, Fields] = {"off": (), "strict": STRICT}


def site_fields(*, security_headers: str, hsts_s: int, alt_svc: bytes) -> Fields:
    """Return the fields of every reply of a site; 0 seconds and an empty ``alt_svc`` say nothing.

    Strict-Transport-Security must not be sent over plain HTTP (RFC 6797 section 7.2): the caller gives 0 there.
    """
    fields = list(SECURITY_PRESETS[security_headers])
    if hsts_s:
        fields.append((b"Strict-Transport-Security", b"max-age=%d" % hsts_s))
    if alt_svc:
        fields.append((b"Alt-Svc", alt_svc))
    return tuple(fields)
