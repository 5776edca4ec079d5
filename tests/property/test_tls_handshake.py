from __future__ import annotations

import contextlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ktlsserve.errors import HandshakeError
from ktlsserve.tls.crypto_info import MAX_REC_SEQ, TrafficKeys, pack_crypto_info
from ktlsserve.tls.records import LEAST_FINISHED_BYTES
from ktlsserve.tls.suites import SUITES, Cipher, Suite, TlsVersion
from tests.support.record_protection import RecordProtection, split_records, unpack_crypto_info
from tests.support.tls_client import MemoryClient, Wishes
from tests.support.tls_server import established, new_handshake

# A handshake takes milliseconds, and more on a machine that does something else too.
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
step_sizes = st.lists(st.integers(1, 2000), min_size=1, max_size=10)


@few
@given(st.sampled_from(SUITES), step_sizes, st.integers(0, 200))
def test_exact_reading_ends_at_finished_in_any_pieces(suite: Suite, steps: list[int], request_bytes: int) -> None:
    client, handshake = MemoryClient(Wishes(suite=suite)), new_handshake(exact=True)
    number = certain = 0
    while handshake.established is None:
        flight = client.data_to_send()
        # What follows the handshake must be left alone, whatever the reads are.
        behind = client.send(bytes(request_bytes)) if client.done and request_bytes else b""
        stream, position = flight + behind, 0
        ends = [0]
        for record in split_records(stream):
            ends.append(ends[-1] + len(record))
        while position < len(stream) and handshake.established is None:
            # Not further than the record, or than a Finished must reach after a flight of the server's.
            assert position + handshake.wanted <= max(certain, min(end for end in ends if end > position))
            assert position + handshake.wanted <= len(flight)
            step = min(steps[number % len(steps)], handshake.wanted)
            handshake.receive_data(stream[position : position + step])
            position += step
            number += 1
        assert position == len(flight)
        client.receive_data(handshake.data_to_send())
        certain = LEAST_FINISHED_BYTES
    client.recv()
    result = established(handshake)
    assert result.tx is not None
    assert result.rx is not None
    assert client.recv(RecordProtection(pack_crypto_info(result.tx.keys, result.tx.rec_seq)).seal(b"reply")) == b"reply"


@few
@given(st.sampled_from(SUITES), step_sizes)
def test_greedy_reading_needs_no_boundaries(suite: Suite, steps: list[int]) -> None:
    client, handshake = MemoryClient(Wishes(suite=suite)), new_handshake(exact=False)
    number = 0
    while handshake.established is None:
        stream = client.data_to_send()
        while stream:
            step = min(steps[number % len(steps)], handshake.wanted)
            handshake.receive_data(stream[:step])
            stream = stream[step:]
            number += 1
        client.receive_data(handshake.data_to_send())
    result = established(handshake)
    assert result.rx is not None
    opened = RecordProtection(pack_crypto_info(result.rx.keys, result.rx.rec_seq)).open(client.send(b"request"))
    assert opened == (23, b"request")


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=300), st.booleans(), step_sizes)
def test_any_bytes_are_waited_for_or_refused(data: bytes, exact: bool, steps: list[int]) -> None:
    handshake, number = new_handshake(exact=exact), 0
    with contextlib.suppress(HandshakeError):
        while data:
            step = min(steps[number % len(steps)], handshake.wanted)
            handshake.receive_data(data[:step])
            data = data[step:]
            number += 1
    assert handshake.established is None
    # At most an alert, or the words for who speaks plain HTTP.
    assert len(handshake.data_to_send()) < 300


@settings(deadline=None)
@given(st.integers(6, 600), st.integers(1, 255), st.booleans())
def test_a_hello_with_a_wrong_byte_never_leads_to_keys_of_its_own(position: int, change: int, exact: bool) -> None:
    """Most are refused; whatever OpenSSL makes of the others, nothing is finished before the client has answered."""
    hello = bytearray(MemoryClient(Wishes(groups=("X25519",))).data_to_send())
    hello[position % len(hello)] ^= change
    stream, handshake = bytes(hello), new_handshake(exact=exact)
    with contextlib.suppress(HandshakeError):
        while stream:
            count = handshake.wanted
            handshake.receive_data(stream[:count])
            stream = stream[count:]
    assert handshake.established is None


versions_and_ciphers = st.tuples(st.sampled_from(TlsVersion), st.sampled_from(Cipher))


@given(versions_and_ciphers, st.binary(min_size=32, max_size=32), st.binary(min_size=12, max_size=12), st.data())
def test_every_field_of_an_option_comes_back(
    kind: tuple[TlsVersion, Cipher], key: bytes, iv: bytes, data: st.DataObject
) -> None:
    version, cipher = kind
    rec_seq = data.draw(st.integers(0, MAX_REC_SEQ))
    explicit = data.draw(st.binary(min_size=8, max_size=8))
    key = key[: cipher.value.key_bytes]
    iv = iv if version is TlsVersion.TLS1_3 else iv[: cipher.value.fixed_iv_bytes]
    info = unpack_crypto_info(pack_crypto_info(TrafficKeys(version, cipher, key, iv), rec_seq, explicit))
    assert (info.version, info.cipher_type) == (version, cipher.value.cipher_type)
    assert (info.key, info.rec_seq) == (key, rec_seq)
    travels = version is TlsVersion.TLS1_2 and cipher is not Cipher.CHACHA20_POLY1305
    assert info.salt + info.iv == iv + (explicit if travels else b"")
