"""Version 2, a binary header (section 2.2)."""

from __future__ import annotations

from ktlsserve.errors import ProxyHeaderError
from ktlsserve.proxy_protocol.crc32c import crc32c
from ktlsserve.proxy_protocol.header import ProxyHeader, endpoint

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
# Signature, version and command, family and protocol, length of what follows.
FIXED_BYTES = len(SIGNATURE) + 4
# Addresses take up to 216 bytes, and the specification wants the whole in a packet of 536. A balancer that adds a
# client's certificate sends one or two KiB; nginx draws the line here too.
LONGEST_BYTES = 4096

_VERSION = 2
_LOCAL = 0
_PROXY = 1
_TCP_OVER_IPV4 = 0x11
_TCP_OVER_IPV6 = 0x21
# Bytes of both addresses with their ports, by address family and protocol: "in practice, the following protocol bytes
# are expected". Those that aren't TCP are taken as if they were UNSPEC, as the specification has it.
_ADDRESS_BYTES = {0x00: 0, _TCP_OVER_IPV4: 12, 0x12: 12, _TCP_OVER_IPV6: 36, 0x22: 36, 0x31: 216, 0x32: 216}
_TLV_HEAD_BYTES = 3
_PP2_TYPE_CRC32C = 0x03
_CRC_BYTES = 4


def header_bytes(fixed: bytes) -> int:
    """Return how long the header that begins with ``fixed`` (FIXED_BYTES of it) is; raises ProxyHeaderError."""
    version, command = fixed[12] >> 4, fixed[12] & 15
    if version != _VERSION:
        raise ProxyHeaderError(f"the PROXY header is of version {version}, and only 1 and 2 are known")
    if command not in (_LOCAL, _PROXY):
        raise ProxyHeaderError(f"the PROXY header has the unknown command {command}")
    length = FIXED_BYTES + int.from_bytes(fixed[14:16], "big")
    if length > LONGEST_BYTES:
        raise ProxyHeaderError(f"the PROXY header is longer than {LONGEST_BYTES} bytes")
    return length


def unpack_header(header: bytes) -> ProxyHeader:
    """Return what a complete header says; raises ProxyHeaderError.

    What else it may carry (TLVs) is skipped, after a look at whether it is well-formed; a checksum is verified.
    """
    if header[12] & 15 == _LOCAL:
        # "The receiver must [...] discard the protocol block including the family which is ignored."
        return ProxyHeader(2)
    kind = header[13]
    address_bytes = _ADDRESS_BYTES.get(kind)
    if address_bytes is None:
        raise ProxyHeaderError(f"the PROXY header has the unknown family and protocol 0x{kind:02x}")
    end = FIXED_BYTES + address_bytes
    if len(header) < end:
        raise ProxyHeaderError("the PROXY header is too short for its addresses")
    _check_tlvs(header, end)
    if kind not in (_TCP_OVER_IPV4, _TCP_OVER_IPV6):
        return ProxyHeader(2)
    size = address_bytes // 2 - 2
    addresses, ports = header[FIXED_BYTES : end - 4], header[end - 4 : end]
    return ProxyHeader(
        2,
        endpoint(addresses[:size], int.from_bytes(ports[:2], "big")),
        endpoint(addresses[size:], int.from_bytes(ports[2:], "big")),
    )


def _check_tlvs(header: bytes, at: int) -> None:
    """Walk over the type-length-value triples from ``at`` on, which must end where the header does."""
    verified = False
    while at < len(header):
        value_at = at + _TLV_HEAD_BYTES
        end = value_at + int.from_bytes(header[at + 1 : value_at], "big")
        if max(value_at, end) > len(header):
            raise ProxyHeaderError("a TLV of the PROXY header reaches beyond its end")
        if header[at] == _PP2_TYPE_CRC32C:
            # Once: each costs a pass over the header.
            if verified or end - value_at != _CRC_BYTES:
                raise ProxyHeaderError("the PROXY header's checksum has a wrong size, or is there twice")
            _verify(header, value_at)
            verified = True
        at = end


def _verify(header: bytes, value_at: int) -> None:
    """Compare the checksum with that of the header with zeros in the checksum's place (section 2.2.3)."""
    value_end = value_at + _CRC_BYTES
    zeroed = header[:value_at] + bytes(_CRC_BYTES) + header[value_end:]
    if crc32c(zeroed) != int.from_bytes(header[value_at:value_end], "big"):
        raise ProxyHeaderError("the PROXY header's checksum is wrong")
