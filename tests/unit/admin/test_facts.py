from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from OpenSSL import SSL

from ktlsserve import __version__
from ktlsserve.admin.facts import facts_of
from tests.support.worker_bench import Bench


@pytest.fixture(params=[False, True])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, with_tls=request.param) as made:
        yield made


def test_they_are_those_of_the_service(bench: Bench) -> None:
    facts = facts_of(bench.service)
    assert facts.version == __version__
    assert facts.openssl in SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode()
    if bench.service.tls is None:
        assert (facts.sends, facts.receives, facts.certificates) == ("off", "off", ())
        return
    assert (facts.sends, facts.receives) == ("userspace", "userspace")
    assert [(fact.name, fact.key) for fact in facts.certificates] == [
        ("localhost", "ECDSA"),
        ("localhost", "RSA"),
        ("localhost", "Ed25519"),
    ]
    chain = bench.service.tls.context.chains[0]
    assert facts.certificates[0].expires_s == chain.not_after.timestamp()
    assert facts.certificates[0].source == chain.source
