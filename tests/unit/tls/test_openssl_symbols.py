from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.bindings import _rust
from OpenSSL import SSL

from ktlsserve.errors import OpensslFunctionMissing
from ktlsserve.tls import openssl_symbols
from ktlsserve.tls.openssl_symbols import find_functions


def test_a_function_that_is_not_bound_is_found_and_called() -> None:
    assert not hasattr(SSL._lib, "OPENSSL_version_major")  # type: ignore[attr-defined]
    major = find_functions({"OPENSSL_version_major": "unsigned int (*)(void)"})["OPENSSL_version_major"]()
    assert major == SSL.OPENSSL_VERSION_NUMBER >> 28


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(OpensslFunctionMissing, match=r"doesn't name SSL_CTX_make_coffee; .*as a wheel from PyPI"):
        find_functions({"SSL_CTX_make_coffee": "int (*)(void)", "OpenSSL_version_num": "unsigned long (*)(void)"})


def test_another_file_than_was_loaded_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an upgrade under a running process: there, some functions have moved against others."""
    addresses = iter((0x1000_0000, 0x2000_0000, 0x3000_0000))
    monkeypatch.setattr(openssl_symbols, "_address", lambda _name: next(addresses))
    with pytest.raises(OpensslFunctionMissing, match="is not the file that was loaded"):
        find_functions({"OpenSSL_version_num": "unsigned long (*)(void)"})


@pytest.mark.parametrize("content", [b"", b"MZ" + bytes(100), b"\x7fELF\x01\x01" + bytes(100), b"\x7fELF\x02\x01"])
def test_what_is_no_such_file_is_said(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.so"
    other.write_bytes(content)
    monkeypatch.setattr(_rust, "__file__", str(other))
    with pytest.raises(OpensslFunctionMissing, match=r"other\.so can't be read"):
        find_functions({"OpenSSL_version_num": "unsigned long (*)(void)"})


def test_a_stripped_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stripped = tmp_path / "stripped.so"
    shutil.copy(_rust.__file__, stripped)
    with stripped.open("r+b") as stream:
        # The number of sections: none.
        stream.seek(0x3C)
        stream.write(bytes(2))
    monkeypatch.setattr(_rust, "__file__", str(stripped))
    with pytest.raises(OpensslFunctionMissing, match=r"doesn't name .*OpenSSL_version_num"):
        find_functions({"OpenSSL_version_num": "unsigned long (*)(void)"})
