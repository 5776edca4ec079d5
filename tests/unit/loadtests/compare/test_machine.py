from __future__ import annotations

from loadtests.bench.processors import choose_here
from loadtests.compare.machine import caution, client, describe, distribution


def test_the_machine_is_described() -> None:
    facts = describe(choose_here())
    assert {"processor", "processors", "kernel", "memory", "system", "Python", "server on CPU"} <= facts.keys()
    assert all(facts.values())


def test_a_busy_machine_is_owned_to() -> None:
    assert caution(0.9, 2) == {}
    assert "load average 14.0" in caution(14.0, 2)["busy machine"]


def test_a_distribution_says_its_name() -> None:
    assert distribution('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n') == "Debian GNU/Linux 13 (trixie)"
    assert distribution("ID=something\n") == "unknown"


def test_the_client_says_with_which_libraries_it_speaks_quic() -> None:
    assert "nghttp3" in client()["client"]
