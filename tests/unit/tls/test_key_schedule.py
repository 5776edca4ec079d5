from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from ktlsserve.tls.crypto_info import TrafficKeys, pack_crypto_info
from ktlsserve.tls.key_schedule import (
    hkdf_expand_label,
    tls12_prf,
    tls12_traffic_keys,
    tls13_next_secret,
    tls13_traffic_keys,
)
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME, SUITES, Suite, TlsVersion
from tests.support.record_protection import APPLICATION_DATA, RecordProtection

HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}
AES_128_GCM = SUITE_BY_OPENSSL_NAME["TLS_AES_128_GCM_SHA256"]
TLS13 = [suite for suite in SUITES if suite.version is TlsVersion.TLS1_3]
TLS12 = [suite for suite in SUITES if suite.version is TlsVersion.TLS1_2]

# RFC 8448 section 3, "Simple 1-RTT Handshake": secret → key and IV of each side and epoch.
CLIENT_SECRET = bytes.fromhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
SERVER_SECRET = bytes.fromhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
TRACES = {
    "server handshake": (
        "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
        "3fce516009c21727d0f2e4e86ee403bc",
        "5d313eb2671276ee13000b30",
    ),
    "client handshake": (
        "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
        "dbfaa693d1762c5b666af5d950258d01",
        "5bd3c71b836e0b76bb73265f",
    ),
    "server application": (SERVER_SECRET.hex(), "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"),
    "client application": (CLIENT_SECRET.hex(), "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"),
}
# The same section's records under the application keys: both carry the bytes 0 to 49. The server's has number 1,
# because its NewSessionTicket had number 0.
CLIENT_RECORD = bytes.fromhex(
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a"
    "6292a2977014bd1e3deae63aeebb21694915e4"
)
SERVER_RECORD = bytes.fromhex(
    "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2"
    "e5f0a21c0047c2abf332540dd032e167c2955d"
)


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES.keys())
def test_record_keys_of_rfc_8448(trace: tuple[str, str, str]) -> None:
    secret, key, iv = map(bytes.fromhex, trace)
    keys = tls13_traffic_keys(AES_128_GCM, secret)
    assert (keys.version, keys.cipher) == (AES_128_GCM.version, AES_128_GCM.cipher)
    assert (keys.key, keys.iv) == (key, iv)


@pytest.mark.parametrize(
    ("secret", "label", "context", "output"),
    [
        # Finished keys, the resumption PSK and the exporter's predecessor: other labels, contexts and secrets.
        (
            TRACES["server handshake"][0],
            b"finished",
            b"",
            "008d3b66f816ea559f96b537e885c31fc068bf492c652f01f288a1d8cdc19fc8",
        ),
        (
            TRACES["client handshake"][0],
            b"finished",
            b"",
            "b80ad01015fb2f0bd65ff7d4da5d6bf83f84821d1f87fdc7d3c75b5a7b42d9c4",
        ),
        (
            "7df235f2031d2a051287d02b0241b0bfdaf86cc856231f2d5aba46c434ec196c",
            b"resumption",
            b"\0\0",
            "4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3",
        ),
    ],
)
def test_expand_label_of_rfc_8448(secret: str, label: bytes, context: bytes, output: str) -> None:
    assert hkdf_expand_label(bytes.fromhex(secret), label, context, 32, "sha256").hex() == output


@pytest.mark.parametrize(
    ("secret", "rec_seq", "record"), [(CLIENT_SECRET, 0, CLIENT_RECORD), (SERVER_SECRET, 1, SERVER_RECORD)]
)
def test_records_of_rfc_8448(secret: bytes, rec_seq: int, record: bytes) -> None:
    option = pack_crypto_info(tls13_traffic_keys(AES_128_GCM, secret), rec_seq)
    assert RecordProtection(option).open(record) == (APPLICATION_DATA, bytes(range(50)))
    assert RecordProtection(option).seal(bytes(range(50))) == record


@pytest.mark.parametrize("hash_name", HASHES)
@pytest.mark.parametrize("length", [1, 12, 16, 32, 33, 48, 49, 64, 97, 255])
def test_expand_label_equals_another_implementation(hash_name: str, length: int) -> None:
    secret, context = bytes(range(48)), b"context"
    full_label = b"tls13 label"
    info = length.to_bytes(2, "big") + bytes((len(full_label),)) + full_label + bytes((len(context),)) + context
    expected = HKDFExpand(HASHES[hash_name], length, info).derive(secret)
    assert hkdf_expand_label(secret, b"label", context, length, hash_name) == expected


@pytest.mark.parametrize("suite", TLS13, ids=lambda suite: suite.openssl_name)
def test_sizes_of_tls13_keys(suite: Suite) -> None:
    keys = tls13_traffic_keys(suite, bytes(hashlib.new(suite.hash_name).digest_size))
    assert (len(keys.key), len(keys.iv)) == (suite.cipher.value.key_bytes, 12)


@pytest.mark.parametrize("suite", TLS13, ids=lambda suite: suite.openssl_name)
def test_the_next_secret_equals_another_implementation(suite: Suite) -> None:
    size = hashlib.new(suite.hash_name).digest_size
    secret = bytes(range(size))
    info = size.to_bytes(2, "big") + b"\x11tls13 traffic upd\x00"
    expected = HKDFExpand(HASHES[suite.hash_name], size, info).derive(secret)
    assert tls13_next_secret(suite, secret) == expected
    # Each has another one behind it.
    assert tls13_next_secret(suite, expected) not in {secret, expected}


# Test vectors for the PRF of TLS 1.2, as they circulate since the IETF's TLS working group (2008); RFC 5246 has none.
PRF_VECTORS = {
    "sha256": (
        "9bbe436ba940f017b17652849a71db35",
        "a0ba9f936cda311827a6f796ffd5198c",
        (
            "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa0"
            "22f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66"
        ),
    ),
    "sha384": (
        "b80b733d6ceefcdc71566ea48e5567df",
        "cd665cf6a8447dd6ff8b27555edb7465",
        (
            "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0e534"
            "cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d9184259b5bf8cd"
            "4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e0990703d73e56f"
        ),
    ),
}


@pytest.mark.parametrize("hash_name", PRF_VECTORS)
def test_the_prf_of_tls12(hash_name: str) -> None:
    secret, seed, output = map(bytes.fromhex, PRF_VECTORS[hash_name])
    for length in (len(output), 1, 31, 32, 33, 48, 64):
        assert tls12_prf(secret, b"test label", seed, length, hash_name) == output[:length]


@pytest.mark.parametrize("suite", TLS12, ids=lambda suite: suite.openssl_name)
def test_the_key_block_of_tls12_is_cut_in_order(suite: Suite) -> None:
    master, client_random, server_random = bytes(48), b"C" * 32, b"S" * 32
    key_bytes, iv_bytes = suite.cipher.value.key_bytes, suite.cipher.value.fixed_iv_bytes
    assert iv_bytes == (12 if "CHACHA20" in suite.openssl_name else 4)
    client, server = tls12_traffic_keys(suite, master, client_random, server_random)
    # RFC 5246 section 6.3: the server's random comes first here, and in the block the client's write key.
    block = tls12_prf(master, b"key expansion", server_random + client_random, 200, suite.hash_name)
    in_order = (client.key, server.key, client.iv, server.iv)
    assert [len(part) for part in in_order] == [key_bytes, key_bytes, iv_bytes, iv_bytes]
    assert b"".join(in_order) == block[: 2 * (key_bytes + iv_bytes)]


def test_keys_are_not_shown() -> None:
    keys = tls13_traffic_keys(AES_128_GCM, SERVER_SECRET)
    assert isinstance(keys, TrafficKeys)
    for text in (repr(keys), str(keys), f"{keys}"):
        assert keys.key.hex() not in text
        assert repr(keys.key) not in text
        assert repr(keys.iv) not in text
