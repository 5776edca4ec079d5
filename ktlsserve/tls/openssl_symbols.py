"""Functions of OpenSSL that cryptography has within it and doesn't bind, found by their names.

cryptography's wheels carry OpenSSL in one shared object, whose symbol table still names every function. Where a symbol
lies in memory follows from one that is bound: cffi tells the address of its wrapper, which the table names as well.
Others must then lie where the table says, or else the file is not the one that was loaded (a package that was upgraded
under a running process): calling anything would be a jump into the unknown, so that is an error.

Only what is rarely needed is worth this: today the keys of session tickets. Nothing is looked up before it is needed.
The format: System V ABI, generic part, chapter 4 (object files).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.bindings import _rust

from ktlsserve.errors import OpensslFunctionMissing

_bindings: Any = _rust._openssl  # noqa: SLF001
_ffi: Any = _bindings.ffi

_ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
_SHT_SYMTAB = 2
_STT_FUNC = 2
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
# cffi's wrappers of three functions from different places.
_WRAPPER = "_cffi_d_"
_BOUND = ("SSL_CTX_new", "BIO_read", "X509_free")


def find_functions(signatures: Mapping[str, str]) -> dict[str, Callable[..., Any]]:
    """Return functions by name; ``signatures`` are C's pointer types, e.g. ``int (*)(void *)``.

    Raises OpensslFunctionMissing, which says what is missing.
    """
    source = Path(_rust.__file__)
    wrappers = {_WRAPPER + name: name for name in _BOUND}
    try:
        with source.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as image:
            values = _function_values(image, {*signatures, *wrappers})
    except (OSError, ValueError, struct.error) as error:
        raise _unusable(f"{source} can't be read: {error}") from error
    missing = sorted({*signatures, *wrappers} - values.keys())
    if missing:
        raise _unusable(f"{source.name} doesn't name {', '.join(missing)}")
    bases = {_address(name) - values[wrapper] for wrapper, name in wrappers.items()}
    if len(bases) != 1:
        raise _unusable(f"{source} is not the file that was loaded")
    (base,) = bases
    return {name: _ffi.cast(signature, base + values[name]) for name, signature in signatures.items()}


def _function_values(image: mmap.mmap, names: Collection[str]) -> dict[str, int]:
    """Return where the symbol table of an ELF file has these functions; raise ValueError for another kind of file."""
    if image[:6] != _ELF64_LITTLE_ENDIAN:
        raise ValueError("not a 64-bit little-endian ELF file")
    (table,) = struct.unpack_from("<Q", image, 0x28)
    entry_bytes, count = struct.unpack_from("<HH", image, 0x3A)
    sections = [_SECTION.unpack_from(image, table + index * entry_bytes) for index in range(count)]
    wanted = {name.encode("ascii"): name for name in names}
    found: dict[str, int] = {}
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != _SHT_SYMTAB:
            continue
        strings = image[sections[link][4] : sections[link][4] + sections[link][5]]
        for at, info, _, section, value, _ in _SYMBOL.iter_unpack(image[offset : offset + size]):
            if info & 0xF == _STT_FUNC and section != 0:
                name = strings[at : strings.index(b"\0", at)]
                if name in wanted:
                    found[wanted[name]] = value
    return found


def _address(name: str) -> int:
    address: int = int(_ffi.cast("uintptr_t", _ffi.addressof(_bindings.lib, name)))
    return address


def _unusable(reason: str) -> OpensslFunctionMissing:
    return OpensslFunctionMissing(
        f"OpenSSL's functions for the keys of tickets can't be found: {reason}; tls.ticket_keys needs cryptography as "
        "a wheel from PyPI (pip install --only-binary cryptography cryptography), and a restart after its upgrade"
    )
