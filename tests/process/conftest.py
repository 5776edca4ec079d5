"""What the tests of real processes share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.site_tree import make_site_tree


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small site; nobody writes to it."""
    return make_site_tree(tmp_path_factory.mktemp("tree"))
