"""Debian's slowhttptest, which holds servers up by slow heads, bodies, readers and by ranges: others are served on."""

from __future__ import annotations

import csv
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.bystander import Bystander
from tests.support.downloads import make_download_root
from tests.support.programs import find_program
from tests.support.server import Server
from tests.support.waiting import LIMIT_S, wait_until

pytestmark = pytest.mark.slow

CONNECTIONS = 400
LONGEST_S = 8
MODES = {
    "slow heads": ("-H", "-i", "1"),
    "slow bodies": ("-B", "-i", "1", "-s", "100000"),
    "slow readers": ("-X", "-w", "1", "-y", "512", "-n", "1", "-z", "5", "-k", "3"),
    "ranges": ("-R", "-a", "5", "-b", "1000"),
}
# These connections last; the others are answered at once, and their clients leave.
LASTING = {"slow heads", "slow readers"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("root"))


def attack(server: Server, mode: Sequence[str], folder: Path, bystander: Bystander) -> tuple[str, list[dict[str, str]]]:
    """Run slowhttptest while another client asks too; return what it says, and its report by the second."""
    command = [find_program("slowhttptest"), *mode, "-c", str(CONNECTIONS), "-r", str(CONNECTIONS)]
    command += ["-l", str(LONGEST_S), "-p", "20", "-u", f"{server.url}/large.bin", "-g", "-o", str(folder / "report")]
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    give_up_s = time.monotonic() + LIMIT_S
    try:
        while process.poll() is None:
            assert time.monotonic() < give_up_s
            bystander.require_service(1)
    finally:
        process.kill()
        process.wait()
    with (folder / "report.csv").open(newline="") as report:
        return said.read_text(errors="replace"), list(csv.DictReader(report))


@pytest.mark.parametrize("tls", ["off", "userspace"])
@pytest.mark.parametrize("name", MODES)
def test_the_service_stays_available(tmp_path: Path, root: Path, tls: str, name: str) -> None:
    settings = {"timeouts.head_s": 5.0, "timeouts.close_s": 2.0, "log.level": "info"}
    with Server(tmp_path / "server", root, tls=tls, workers=2, settings=settings) as server:
        idle = server.sockets()
        with Bystander(server) as bystander:
            said, seconds = attack(server, MODES[name], tmp_path, bystander)
            answers = re.findall(r"service available: +(YES|NO)", re.sub(r"\x1b\[[0-9;]*m", "", said))
            assert answers
            assert set(answers) == {"YES"}, said
            # Of its own look each second the report has its number of connections, for charts, or 0: no answer in 20 s.
            assert {second["Service Available"] for second in seconds} == {str(CONNECTIONS)}, seconds
            if name in LASTING:
                assert max(int(second["Connected"]) for second in seconds) > CONNECTIONS / 2, seconds
            else:
                assert int(seconds[-1]["Closed"]) > CONNECTIONS / 4, seconds
            assert bystander.answered > 3
        wait_until(lambda: server.sockets() <= idle, "the end of the attack")
