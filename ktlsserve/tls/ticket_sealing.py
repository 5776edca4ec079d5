"""Have OpenSSL seal session tickets with keys that are given, instead of those that it makes for each context.

The first key seals, and all open: a key that is put first on one machine must be known to the others by then. OpenSSL
asks for a key at every ticket, by SSL_CTX_set_tlsext_ticket_key_evp_cb(3), which isn't bound; nor is what the callback
calls. The simpler way, one key by SSL_CTRL_SET_TLSEXT_TICKET_KEYS, isn't bound either and knows no second key, so that
each change would break all sessions.

It runs inside a C callback, where an exception would be printed and lost: what can fail is told by the return value.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Any

from OpenSSL import SSL

from ktlsserve.tls.openssl_symbols import find_functions
from ktlsserve.tls.ticket_keys import NAME_BYTES, TicketKey

_lib: Any = SSL._lib  # type: ignore[attr-defined]  # noqa: SLF001
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]  # noqa: SLF001

_SIGNATURES = {
    "SSL_CTX_set_tlsext_ticket_key_evp_cb": "int (*)(SSL_CTX *, void *)",
    "EVP_aes_128_cbc": "void *(*)(void)",
    "EVP_aes_256_cbc": "void *(*)(void)",
    "EVP_EncryptInit_ex": "int (*)(void *, void *, void *, const unsigned char *, const unsigned char *)",
    "EVP_DecryptInit_ex": "int (*)(void *, void *, void *, const unsigned char *, const unsigned char *)",
    "EVP_MAC_CTX_set_params": "int (*)(void *, void *)",
}
_CALLBACK = "int (*)(SSL *, unsigned char *, unsigned char *, void *, void *, int)"
_IV_BYTES = 16
# Return values: SSL_CTX_set_tlsext_ticket_key_evp_cb(3).
_FAILED, _UNKNOWN_KEY, _GOOD, _GOOD_BUT_RENEW = -1, 0, 1, 2
# openssl/core.h: types of parameters, and what stands where OpenSSL hasn't returned a size.
_UTF8_STRING, _OCTET_STRING = 4, 5
_UNMODIFIED = 2**64 - 1


class _Sealer:
    """A key as OpenSSL wants it, in memory that stays where it is."""

    def __init__(self, key: TicketKey, cipher: object) -> None:
        self.name = key.name
        self.cipher = cipher
        self.cipher_key = _ffi.new("unsigned char[]", key.cipher_key)
        self._mac_key = _ffi.new("unsigned char[]", key.mac_key)
        self._words = [_ffi.new("char[]", word) for word in (b"key", b"digest", b"SHA256")]
        key_word, digest_word, sha256 = map(_word, self._words)
        # An array of OSSL_PARAM, each of five words: name, type, data, size, returned size; zeros end it.
        parameters = [key_word, _OCTET_STRING, _word(self._mac_key), len(key.mac_key), _UNMODIFIED]
        parameters += [digest_word, _UTF8_STRING, sha256, len(b"SHA256"), _UNMODIFIED]
        self.parameters = _ffi.new("uintptr_t[]", [*parameters, 0, 0, 0, 0, 0])


def seal_tickets(context: SSL.Context, keys: Sequence[TicketKey]) -> None:
    """Have ``context`` use ``keys``; raise OpensslFunctionMissing."""
    functions = _functions()
    ciphers = {16: functions["EVP_aes_128_cbc"](), 32: functions["EVP_aes_256_cbc"]()}
    sealers = [_Sealer(key, ciphers[len(key.cipher_key)]) for key in keys]
    by_name = {sealer.name: sealer for sealer in sealers}
    begin_sealing, begin_opening = functions["EVP_EncryptInit_ex"], functions["EVP_DecryptInit_ex"]
    set_mac_key = functions["EVP_MAC_CTX_set_params"]

    def prepare(ssl: object, name: Any, iv: Any, cipher_context: object, mac_context: object, sealing: int) -> int:
        if sealing:
            sealer, begin, result = sealers[0], begin_sealing, _GOOD
            _ffi.memmove(name, sealer.name, NAME_BYTES)
            _ffi.memmove(iv, os.urandom(_IV_BYTES), _IV_BYTES)
        else:
            known = by_name.get(_ffi.buffer(name, NAME_BYTES)[:])
            if known is None:
                return _UNKNOWN_KEY
            sealer, begin = known, begin_opening
            # In TLS 1.3 a ticket is for one use (RFC 8446 section C.4), so there must be another one.
            used_up = sealer is not sealers[0] or _lib.SSL_version(ssl) == SSL.TLS1_3_VERSION
            result = _GOOD_BUT_RENEW if used_up else _GOOD
        if set_mac_key(mac_context, sealer.parameters) != 1:
            return _FAILED
        done = begin(cipher_context, sealer.cipher, _ffi.NULL, sealer.cipher_key, iv)
        return result if done == 1 else _FAILED

    callback = _ffi.callback(_CALLBACK, prepare, error=_FAILED)
    functions["SSL_CTX_set_tlsext_ticket_key_evp_cb"](context._context, callback)  # noqa: SLF001
    # As long as a connection may call it: connections keep their context.
    context._ticket_key_callback = callback  # type: ignore[attr-defined]  # noqa: SLF001


@cache
def _functions() -> dict[str, Any]:
    return find_functions(_SIGNATURES)


def _word(pointer: object) -> int:
    address: int = int(_ffi.cast("uintptr_t", pointer))
    return address
