"""Five TLS implementations receive what is in the files, with every cipher, and the kernel is who encrypted it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.clients import ALL_CHOICES, DRIVERS, Choice, Driver
from tests.support.server import Server
from tests.support.sized_files import make_sized_files
from tests.support.tls_counters import counting

KIB, MIB = 1024, 1024 * 1024
# Around a record's length (16 KiB), what fits into a socket's buffer, a turn of the worker (1 MiB), and many turns.
SMALL = (0, 1, *range(16 * KIB - 1, 16 * KIB + 2), *range(64 * KIB - 1, 64 * KIB + 2))
MEGABYTE = tuple(range(MIB - 1, MIB + 2))
LARGE = (16 * MIB,)


@dataclass(frozen=True)
class Served:
    """A server, and the hashes of its files by path."""

    server: Server
    hashes: dict[str, str]

    def check(self, driver: Driver, paths: list[str], folder: Path, choice: Choice, *, kernel_receives: bool) -> None:
        """Fetch ``paths``; the content must be right, and the kernel must have done its part and nothing else."""
        mark = self.server.log_mark()
        with counting() as growth:
            fetched = driver(self.server, paths, folder, choice)
        assert {path: (file.status, file.sha256) for path, file in fetched.files.items()} == {
            path: (200, self.hashes[path]) for path in paths
        }
        assert fetched.connections == 1
        assert f"TLS {choice.version} {choice.suite} " in self.server.log()[mark:]
        assert growth["TlsTxSw"] == 1
        assert growth["TlsRxSw"] == int(kernel_receives)
        assert growth["TlsDecryptError"] == 0


def paths_of(sizes: Iterable[int]) -> list[str]:
    return [f"/{size}.bin" for size in sizes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    root = tmp_path_factory.mktemp("site")
    return root, make_sized_files(root, (*SMALL, *MEGABYTE, *LARGE))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, files: tuple[Path, dict[str, str]]) -> Iterator[Served]:
    root, hashes = files
    with Server(tmp_path_factory.mktemp("server"), root, tls="kernel", workers=2) as server:
        assert server.listening()[0].tls == "kernel"
        yield Served(server, hashes)


@pytest.fixture(scope="module")
def openssl_receives(tmp_path_factory: pytest.TempPathFactory, files: tuple[Path, dict[str, str]]) -> Iterator[Served]:
    root, hashes = files
    settings = {"tls.receive": "openssl"}
    with Server(tmp_path_factory.mktemp("server"), root, tls="kernel", settings=settings) as server:
        assert server.listening()[0].tls == "kernel"
        yield Served(server, hashes)


@pytest.mark.parametrize("choice", ALL_CHOICES, ids=str)
@pytest.mark.parametrize("client", DRIVERS)
def test_what_arrives_is_what_is_in_the_file(served: Served, tmp_path: Path, client: str, choice: Choice) -> None:
    # gnutls-cli writes what it receives a byte at a time: a megabyte takes it several seconds here.
    sizes = SMALL if client == "gnutls" else (*SMALL, *MEGABYTE)
    served.check(DRIVERS[client], paths_of(sizes), tmp_path, choice, kernel_receives=True)


# Each client has one long transfer, each cipher and version too.
@pytest.mark.parametrize(
    ("client", "choice"),
    [*zip(("openssl", "node", "python", "curl", "curl", "curl"), ALL_CHOICES, strict=True)],
    ids=str,
)
def test_a_large_file_arrives_whole(served: Served, tmp_path: Path, client: str, choice: Choice) -> None:
    served.check(DRIVERS[client], paths_of(LARGE), tmp_path, choice, kernel_receives=True)


def test_a_megabyte_arrives_at_gnutls(served: Served, tmp_path: Path) -> None:
    choice = Choice("1.3", "AES-256-GCM")
    served.check(DRIVERS["gnutls"], paths_of((MIB + 1,)), tmp_path, choice, kernel_receives=True)


@pytest.mark.parametrize("choice", ALL_CHOICES, ids=str)
def test_openssl_may_receive_while_the_kernel_sends(openssl_receives: Served, tmp_path: Path, choice: Choice) -> None:
    paths = paths_of((*SMALL, *MEGABYTE))
    openssl_receives.check(DRIVERS["curl"], paths, tmp_path, choice, kernel_receives=False)


@pytest.mark.parametrize("client", sorted(set(DRIVERS) - {"curl"}))
def test_every_client_gets_on_with_openssl_receiving(openssl_receives: Served, tmp_path: Path, client: str) -> None:
    paths = paths_of(SMALL)
    openssl_receives.check(DRIVERS[client], paths, tmp_path, Choice("1.3", "AES-128-GCM"), kernel_receives=False)
