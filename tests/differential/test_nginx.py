"""Every difference between this server and Debian's nginx is known, and has its reason; see the package's docstring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential import framing, matrix
from tests.differential.accepted import TABLE, Accepted, load_accepted, outlived, parse_version, unexplained
from tests.differential.asking import Answer, Client, parse_statuses
from tests.differential.comparing import Difference, differences
from tests.differential.matrix import Probe
from tests.differential.nginx import Nginx, nginx_version
from tests.differential.tree import make_tree
from tests.support import replay
from tests.support.programs import find_program
from tests.support.server import Server

pytestmark = pytest.mark.slow

SETTINGS = {**replay.SETTINGS, "defaults.precompressed": ["gzip"]}
LEAST_PROBES = 4000


class Asker:
    """Asks one server what a probe says, in that server's own entity-tags."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._tags: dict[str, dict[str, str]] = {}

    def ask(self, probe: Probe) -> Answer:
        return self.client.ask(str(probe), self._written(probe), head=probe.method == "HEAD")

    def _written(self, probe: Probe) -> bytes:
        lines = [f"{probe.method} {probe.target} HTTP/{probe.version}", "Host: localhost", *probe.fields, "", ""]
        text = "\r\n".join(lines)
        if "<TAG>" in text or "<GZIP>" in text:
            for placeholder, tag in self._tags_of(probe.target).items():
                text = text.replace(placeholder, tag)
        return text.encode("latin-1")

    def _tags_of(self, target: str) -> dict[str, str]:
        if target not in self._tags:
            compressed = Probe("HEAD", target, ("Accept-Encoding: gzip",))
            self._tags[target] = {"<TAG>": self._tag(Probe("HEAD", target)), "<GZIP>": self._tag(compressed)}
        return self._tags[target]

    def _tag(self, probe: Probe) -> str:
        return self.ask(probe).field("etag") or '"nothing"'


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree(tmp_path_factory.mktemp("differential"))


@pytest.fixture(scope="module")
def program() -> str:
    return find_program("nginx")


@pytest.fixture(scope="module")
def accepted(program: str) -> list[Accepted]:
    """What may differ from this version of nginx."""
    return load_accepted(TABLE.read_text(encoding="utf-8"), parse_version(nginx_version(program)))


@pytest.fixture(scope="module")
def clients(program: str, tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Iterator[tuple[Client, Client]]:
    folder = tmp_path_factory.mktemp("servers")
    with (
        Server(folder / "ours", tree, tls="off", settings=SETTINGS) as server,
        Nginx(program, folder / "theirs", tree) as nginx,
        Client(server.address) as ours,
        Client(nginx.address) as theirs,
    ):
        yield ours, theirs


@pytest.fixture(scope="module")
def found(clients: tuple[Client, Client]) -> list[Difference]:
    """All differences."""
    return [*_in_answers(clients), *_in_framing(clients)]


def _in_answers(clients: tuple[Client, Client]) -> Iterator[Difference]:
    ours, theirs = map(Asker, clients)
    probes = list(matrix.probes())
    assert len(probes) >= LEAST_PROBES
    # One more at the end: whether a connection is kept after an answer is seen at the next.
    for probe in (*probes, Probe("GET", "/digits.txt", ("X-Last: yes",))):
        yield from differences(str(probe), ours.ask(probe), theirs.ask(probe))
    for client, values in zip(clients, (("dropped", "kept"), ("kept", "dropped")), strict=True):
        yield from (Difference(name, "connection afterwards", *values) for name in client.dropped)


def _in_framing(clients: tuple[Client, Client]) -> Iterator[Difference]:
    for name, request in framing.REQUESTS.items():
        ours, theirs = (", ".join(parse_statuses(client.send_and_end(request + framing.NEXT))) for client in clients)
        if ours != theirs:
            yield Difference(name, "statuses", ours or "nothing", theirs or "nothing")


def test_every_difference_is_accepted(found: list[Difference], accepted: list[Accepted]) -> None:
    lines = unexplained(found, accepted)
    assert not lines, "differences that accepted.toml doesn't explain:\n" + "\n".join(lines)


def test_every_accepted_difference_is_still_there(found: list[Difference], accepted: list[Accepted]) -> None:
    assert outlived(found, accepted) == []
