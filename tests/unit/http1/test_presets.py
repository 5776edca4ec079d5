from __future__ import annotations

from ktlsserve.http1.presets import STRICT, site_fields


def test_a_site_says_nothing_by_default() -> None:
    assert site_fields(security_headers="off", hsts_s=0, alt_svc=b"") == ()


def test_each_setting_has_its_field() -> None:
    assert site_fields(security_headers="off", hsts_s=60, alt_svc=b'h3=":443"') == (
        (b"Strict-Transport-Security", b"max-age=60"),
        (b"Alt-Svc", b'h3=":443"'),
    )


def test_the_strict_preset_names_each_field_once_and_allows_nothing_inline() -> None:
    assert site_fields(security_headers="strict", hsts_s=0, alt_svc=b"") == STRICT
    names = [name for name, _ in STRICT]
    assert len(names) == len(set(names))
    assert b"unsafe" not in dict(STRICT)[b"Content-Security-Policy"]
    assert dict(STRICT)[b"X-Content-Type-Options"] == b"nosniff"
