from __future__ import annotations

from ktlsserve.admin.paths import PathUse, tls_paths
from tests.support.snapshots import Counts, snapshot

USED: Counts = {
    "sent_bytes": {("sendfile", "kernel"): 900, ("memory", "kernel"): 100, ("userspace", "userspace"): 7},
    "connections": {("kernel",): 3, ("userspace",): 2, ("pending",): 5},
}


def test_without_a_card_the_kernel_did_it_in_software() -> None:
    for kernel in (None, {}, {"TlsTxDevice": 0, "TlsTxSw": 12, "TlsCurrTxDevice": 0}):
        assert tls_paths(snapshot(USED, kernel=kernel)) == (
            PathUse("kernel_software", 3, 1000, None),
            PathUse("network_card", 0, 0, 0.0),
            PathUse("userspace", 2, 7, None),
            PathUse("off", 0, 0, None),
        )


def test_once_a_card_had_a_session_nobody_knows_who_encrypted_what() -> None:
    paths = tls_paths(snapshot(USED, kernel={"TlsTxDevice": 4, "TlsCurrTxDevice": 1}))
    assert paths[:2] == (
        PathUse("kernel_or_card", 3, 1000, None),
        PathUse("network_card", 1, None, None),
    )


def test_bytes_per_second_are_those_of_the_path() -> None:
    paths = tls_paths(snapshot(USED, a_while_ago={"sent_bytes": {("sendfile", "kernel"): 500}}))
    assert [path.bytes_per_s for path in paths] == [250.0, 0.0, 3.5, 0.0]
