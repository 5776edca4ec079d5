from __future__ import annotations

import pytest

from loadtests.compare.netstat import NetworkCounts, parse_snmp

SNMP = """Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm RtoMin MaxConn RetransSegs InErrs
Tcp: 1 200 -1 17 0
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
Udp: 900 1 12 905 12 3
UdpLite: InDatagrams InErrors
UdpLite: 0 7
"""


def test_values_are_named_by_their_table() -> None:
    counters = parse_snmp(SNMP)
    assert counters["Tcp.RetransSegs"] == 17
    assert counters["Tcp.MaxConn"] == -1
    assert counters["Udp.InErrors"] == 12
    assert counters["UdpLite.InErrors"] == 7


@pytest.mark.parametrize("text", ["Udp: InErrors\nTcp: 1\n", "Udp: InErrors OutDatagrams\nUdp: 1\n"])
def test_values_of_other_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not the values of"):
        parse_snmp(text)


def test_drops_are_those_at_both_ends() -> None:
    assert NetworkCounts.of(parse_snmp(SNMP)) == NetworkCounts(tcp_retransmits=17, udp_drops=15)


def test_what_was_there_before_is_not_counted() -> None:
    assert NetworkCounts(20, 5).since(NetworkCounts(17, 5)) == NetworkCounts(3, 0)


def test_this_kernel_counts_them() -> None:
    counts = NetworkCounts.read()
    assert counts.tcp_retransmits >= 0
    assert counts.udp_drops >= 0
