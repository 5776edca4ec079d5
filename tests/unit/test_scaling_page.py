"""docs/scaling.md: what it names exists, and its commands do what it says; its tables are loadtests.capacity's."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from ktlsserve.admin.metrics import METRICS
from ktlsserve.config import Config
from ktlsserve.config.file import parse_config
from ktlsserve.tls.ticket_keys import read_ticket_keys
from tests.support.server import CHECKOUT

PAGE = CHECKOUT / "docs" / "scaling.md"
TEXT = PAGE.read_text(encoding="utf-8")
FOLDER = "/etc/ktlsserve/tickets"


def test_links_lead_to_files_and_headings() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert links
    for link in links:
        if link.startswith("#"):
            assert link[1:] in headings, link
        elif not link.startswith("https://"):
            assert (PAGE.parent / link).is_file(), link


def test_settings_and_metrics_that_are_named_exist() -> None:
    config = Config()
    named = re.findall(r"`(server|tls|files|limits|timeouts|defaults)\.(\w+)", TEXT)
    assert len(named) > 5
    for table, key in named:
        assert hasattr(getattr(config, table), key), f"{table}.{key}"
    metrics = {metric.full_name for metric in METRICS}
    for name in re.findall(r"`(ktlsserve_\w+)`", TEXT):
        assert name in metrics, name


def test_defaults_are_told_as_they_are() -> None:
    assert "`tls.session_lifetime_s` (two hours)" in TEXT
    assert Config().tls.session_lifetime_s == 2 * 3600


def test_keys_are_made_and_replaced_as_the_page_says(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(cd /etc/ktlsserve/tickets\n.*?)```", TEXT, re.DOTALL)
    (toml,) = re.findall(r"```toml\n(\[tls\]\n.*?)```", TEXT, re.DOTALL)
    files = [tmp_path / Path(file).relative_to(FOLDER) for file in parse_config(toml).tls.ticket_keys]
    for file in files:
        file.touch(0o640)
        subprocess.run(["openssl", "rand", "-out", str(file), "80"], check=True)
    now, next_one, _before = read_ticket_keys(files)
    subprocess.run(block.replace(FOLDER, str(tmp_path)), shell=True, check=True)
    sealing, fresh, opening = read_ticket_keys(files)
    # What seals from now on was known before, and what sealed until now is known still.
    assert (sealing, opening) == (next_one, now)
    assert fresh not in {now, next_one}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(file.name for file in files)
