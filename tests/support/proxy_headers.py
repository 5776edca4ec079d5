"""PROXY headers: written down in a corpus, or packed in the simplest way, without any of the server's code."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

_CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "proxy_protocol" / "headers.toml"
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


@dataclass(frozen=True, slots=True)
class Case:
    """A header of the corpus: ``source`` and ``target`` are empty where it names nobody, ``reason`` if it is valid."""

    name: str
    data: bytes
    source: str = ""
    target: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return self.name


@cache
def corpus() -> tuple[Case, ...]:
    """Return all cases."""
    tables = tomllib.loads(_CORPUS.read_text(encoding="utf-8"))
    return tuple(_case(table) for kind in ("valid", "invalid") for table in tables[kind])


def valid_cases() -> list[Case]:
    """Return the headers that say something."""
    return [case for case in corpus() if not case.reason]


def invalid_cases() -> list[Case]:
    """Return those that are refused."""
    return [case for case in corpus() if case.reason]


def pack_v1(source: str, source_port: int, target: str = "", target_port: int = 443) -> bytes:
    """Write a line of version 1."""
    kind = "TCP6" if ":" in source else "TCP4"
    target = target or ("2001:db8::1" if kind == "TCP6" else "198.51.100.1")
    return f"PROXY {kind} {source} {target} {source_port} {target_port}\r\n".encode()


def pack_v2(source: str, source_port: int, target: str = "", target_port: int = 443, tlvs: bytes = b"") -> bytes:
    """Write a header of version 2."""
    target = target or ("2001:db8::1" if ":" in source else "198.51.100.1")
    block = ip_address(source).packed + ip_address(target).packed
    block += source_port.to_bytes(2, "big") + target_port.to_bytes(2, "big")
    return pack_v2_block(0x21, 0x21 if ":" in source else 0x11, block + tlvs)


def pack_v2_block(version_and_command: int, family_and_protocol: int, block: bytes) -> bytes:
    """Write any header of version 2 around its block."""
    return SIGNATURE + bytes((version_and_command, family_and_protocol)) + len(block).to_bytes(2, "big") + block


def pack_tlv(kind: int, value: bytes) -> bytes:
    """Write one type-length-value triple."""
    return bytes((kind,)) + len(value).to_bytes(2, "big") + value


LOCAL = pack_v2_block(0x20, 0x00, b"")


def _case(table: dict[str, Any]) -> Case:
    data = table["text"].encode() if "text" in table else bytes.fromhex(table["hex"])
    return Case(table["name"], data, table.get("source", ""), table.get("target", ""), table.get("reason", ""))
