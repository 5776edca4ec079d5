from __future__ import annotations

from loadtests.bench.processors import Processors
from loadtests.syscalls.machine import accounting, describe


def test_whose_time_delivery_is_depends_on_the_kernel() -> None:
    assert accounting("CONFIG_HZ=250\nCONFIG_IRQ_TIME_ACCOUNTING=y\n").startswith("not counted")
    assert accounting("# CONFIG_IRQ_TIME_ACCOUNTING is not set\n") == "counted as the sender's"
    assert "can't be read" in accounting("")


def test_the_facts() -> None:
    facts = describe(Processors(1, ()), "loopback")
    assert facts["network"] == "loopback"
    assert facts["sender and receiver on CPU"] == "1"
    assert facts["mitigations"]
    assert facts["delivery on loopback"]
    assert "client on CPU" not in facts
