from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.programs import find_program
from tests.support.server import CHECKOUT

SCRIPT = CHECKOUT / "share" / "fish" / "vendor_completions.d" / "ktlsserve.fish"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ktlsserve d", {"doctor"}),
        ("ktlsserve si", {"site/"}),
        ("ktlsserve --tls ", {"auto", "kernel", "userspace", "off"}),
        ("ktlsserve --tls=k", {"--tls=kernel"}),
        ("ktlsserve --config si", {"site/", "site.toml"}),
        ("ktlsserve site --access-log o", {"off"}),
        ("ktlsserve doctor --", {"--json", "--help", "--version"}),
        ("ktlsserve check si", {"site/", "site.toml"}),
        ("ktlsserve compress si", {"site/"}),
        ("ktlsserve --user roo", {"root"}),
    ],
)
def test_it_offers_what_fits(line: str, offered: set[str], tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site.toml").touch()
    lines = (f"source {shlex.quote(str(SCRIPT))}", f"complete -C {shlex.quote(line)}")
    done = subprocess.run(
        [find_program("fish"), "--no-config", "-c", "\n".join(lines)],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    assert {found.split("\t")[0] for found in done.stdout.splitlines()} == offered
