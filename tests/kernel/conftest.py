"""Tests that need a kernel with kTLS: run where this kernel has it, else not at all.

Where it has not, tests/vm runs the same tests in guests; `pytest` and `pytest tests/vm` do so by themselves.
"""

from collections.abc import Iterator

import pytest

from tests.support import ktls_kernel
from tests.support.forked_servers import ForkServer
from tests.support.server import Server


@pytest.fixture(autouse=True, scope="session")
def _servers_are_forked() -> Iterator[None]:
    """Start servers without waiting each time until their modules are imported, under emulation at that."""
    forks = ForkServer()
    Server.forks = forks
    yield
    Server.forks = None
    forks.close()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test here, so that -m ktls finds them."""
    item.add_marker("ktls")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse to run on a kernel without kTLS, saying what was probed."""
    missing = ktls_kernel.missing_kernel_tls()
    if missing is None:
        return
    if ktls_kernel.required():
        pytest.fail(f"{missing}; KTLSSERVE_REQUIRE_KTLS=1 asks for it", pytrace=False)
    pytest.skip(f"{missing}; `pytest tests/vm` runs this test in a guest")
