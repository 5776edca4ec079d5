"""The baseline of ours for which the kernel encrypts: started, asked, and seen to encrypt there."""

from __future__ import annotations

from pathlib import Path

from loadtests.baselines import BASELINES, Site
from loadtests.baselines.asking import ask
from loadtests.bench.certificate import make_certificate
from tests.support.tls_counters import counting

CONTENT = bytes(range(256)) * 4096


def test_the_kernel_encrypts_for_the_baseline_that_says_so(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "1MiB.bin").write_bytes(CONTENT)
    pem = tmp_path / "server.pem"
    make_certificate(pem)
    baseline = BASELINES["ktlsserve-kernel"]
    assert baseline.missing() is None
    with baseline.start(Site(root, pem, pem, pem)) as running:
        with counting() as growth:
            answer = ask(f"{running.url}/1MiB.bin", running.protocol, pem)
        assert (answer.status, answer.body == CONTENT) == (200, True)
        assert growth["TlsTxSw"] == 1
        assert "tls=kernel" in running.log.read_text()
