"""What docs/container.md says, against the program."""

from __future__ import annotations

import re
import shlex

from ktlsserve import __version__
from ktlsserve.config.file import parse_config
from ktlsserve.options import OPTIONS
from tests.image.container import CONFINED
from tests.support.server import CHECKOUT

PAGE = (CHECKOUT / "docs" / "container.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table in a section."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `(.*) \|$", section, re.MULTILINE)
    return [f"`{row}".split(" | ") for row in found]


def test_servers_are_run_as_confined_as_the_tests_run_them() -> None:
    commands = re.sub(
        r"\\\n\s*", "", "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    ).splitlines()
    detached = [shlex.split(command) for command in commands if command.startswith("docker run --detach")]
    assert len(detached) == 3
    for words in detached:
        assert set(CONFINED) <= set(words)
        assert words[-1] == f"ktlsserve:{__version__.removesuffix('.dev0')}"


def test_paths_are_those_of_the_image() -> None:
    config = parse_config((CHECKOUT / "config" / "container.toml").read_text(encoding="utf-8"))
    dockerfile = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
    assert f":{config.server.root}:ro" in PAGE
    assert f'`ready_path = "{config.server.ready_path}"`' in PAGE
    for path in ("/etc/ktlsserve/ktlsserve.toml", "/var/lib/ktlsserve"):
        assert path in PAGE
        assert path in dockerfile
    assert f"`server.drain_s` says ({config.server.drain_s:g} s)" in PAGE


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", PAGE):
        assert (CHECKOUT / "docs" / target).exists(), target


def test_the_table_has_every_variable_of_the_program() -> None:
    told = [row[:2] for row in rows("Environment variables")]
    assert told == [[f"`{option.variable}`", f"`{option.flag}`"] for option in OPTIONS]


def test_the_table_says_which_take_several_values_and_which_words() -> None:
    for option, (_, _, taken) in zip(OPTIONS, rows("Environment variables"), strict=True):
        assert ("several" in taken or option.name == "key") == option.repeatable, option.name
        for choice in option.choices:
            assert f"`{choice}`" in taken
