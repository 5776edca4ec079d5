"""What README and CONTRIBUTING say, against the program and the checkout."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ktlsserve import errors
from ktlsserve.admin.metrics import DURATION_HELP, DURATION_NAME, METRICS
from ktlsserve.admin.status import status_object
from ktlsserve.arguments import COMMANDS, serve_parser
from ktlsserve.config import Config
from ktlsserve.config.file import parse_config
from ktlsserve.config.table import Table, check_of, settings
from ktlsserve.http1.answer import ALLOWED_METHODS
from ktlsserve.http1.ranges import MAX_RANGES
from ktlsserve.kernel.floors import KernelVersion, kernel_version, rx_floor
from ktlsserve.observe.server_state import WorkerStage
from ktlsserve.tls.failures import REASONS
from tests.support.programs import find_program
from tests.support.readme import README, blocks, commands, is_as_shown, section, transcript
from tests.support.server import CHECKOUT, Server
from tests.support.snapshots import snapshot

CONTRIBUTING = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
DEADLINE_S = 60

# The commands of README that a test can't run, each with the reason.
NOT_RUN = {
    "make serve": "installs from the network, and serves until it is stopped",
    "make test": "would run this test, and all others",
    "make check": "installs from the network, and checks the whole checkout",
}


def tables(text: str) -> list[list[list[str]]]:
    """Return the tables of ``text``: rows of cells, without their headings."""
    found = re.findall(r"^\|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[_cells(line) for line in body.splitlines()] for body in found]


def _cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


# Those of that section are run, with what they need, by tests/process/test_readme.py.
ELSEWHERE = README.replace(section("Rules and sites"), "")
OWN_COMMANDS = [command for command in commands(ELSEWHERE) if command.startswith("ktlsserve ")]
CURL_COMMANDS = [command for command in commands(ELSEWHERE) if command.startswith("curl ")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("readme"), CHECKOUT / "config" / "site") as running:
        yield running


def curl(command: str, server: Server) -> str:
    """Run a curl command of README against ``server`` and return what it prints."""
    words = command.replace("~/.local/state/ktlsserve/self-signed.pem", str(server.ca_file))
    words = words.replace("//localhost:8443", f"//localhost:{server.port}")
    arguments = [find_program("curl"), "--silent", "--show-error", *shlex.split(words)[1:]]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# The option table.


def options() -> list[argparse.Action]:
    return [action for action in serve_parser()._actions if action.option_strings]


def option_rows() -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in tables(section("Options"))[0]}


def test_the_option_table_has_the_options_of_the_program() -> None:
    cells = []
    for action in options():
        names = [name if action.nargs == 0 else f"{name} {action.metavar}" for name in action.option_strings]
        cells.append(", ".join(f"`{name}`" for name in names))
    assert sorted(option_rows()) == sorted(cells)


def test_the_option_table_names_every_choice() -> None:
    rows = option_rows()
    for action in options():
        row = next(f"{cell} {texts[-1]}" for cell, texts in rows.items() if f"`{action.option_strings[0]}" in cell)
        for choice in action.choices or ():
            assert re.search(rf"[`|\s]{choice}[`|\s]", row), (action.option_strings, choice)


def test_the_option_table_has_the_defaults() -> None:
    defaults = {cell.strip("`").split()[0]: texts[0].strip("`") for cell, texts in option_rows().items()}
    config = Config()
    expected = {
        "--listen": ", ".join(map(str, config.server.listen)),
        "--workers": config.server.workers,
        "--tls": config.tls.mode,
        "--access-log": config.log.access_log,
        "--log-level": config.log.level,
        "--log-format": config.log.format,
    }
    assert {name: defaults[name] for name in expected} == expected


def test_every_command_of_the_program_is_there() -> None:
    usage = blocks("", section("Options"))[0]
    for command in COMMANDS:
        assert f"ktlsserve {command} " in usage


# Exit statuses, signals, limits.


def test_the_exit_statuses_are_those_of_the_program() -> None:
    rows = tables(section("Signals and exit status"))[1]
    known = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert [int(row[0]) for row in rows] == sorted(known)


def test_settings_exist_and_have_the_defaults_that_are_told() -> None:
    config = Config()
    told = re.findall(r"`(\w+)\.(\w+)`(?:(?: =)? \(`?([^\s`)]+))?", README)
    named = [(table, key, value) for table, key, value in told if table in settings(Config)]
    assert len(named) > 8
    for table, key, value in named:
        shape = check_of(settings(Config)[table])
        assert isinstance(shape, Table)
        assert key in settings(shape.shape), f"{table}.{key}"
        default = getattr(getattr(config, table), key)
        if value:
            assert value in {f"{default:g}" if isinstance(default, float) else str(default), *_strings(default)}


def _strings(default: object) -> list[str]:
    return [str(item) for item in default] if isinstance(default, tuple) else []


def test_small_files_are_as_small_as_told() -> None:
    told = re.search(r"A file of up\s+to (\d+) KiB \(`files\.small_bytes`\)", README)
    assert told is not None
    assert int(told[1]) * 1024 == Config().files.small_bytes


def test_the_kernels_that_may_receive_are_those_of_the_floors() -> None:
    told = re.search(r"only from Linux ([\d., and]+) on", re.sub(r"\s+", " ", section("Security")))
    assert told is not None
    versions = [kernel_version(text) for text in re.findall(r"[\d.]*\d", told[1])]
    assert len(versions) == 4
    for version in versions:
        assert version is not None
        assert rx_floor(version).met is True
        assert rx_floor(KernelVersion(version.major, version.minor, version.patch - 1)).met is False


def test_the_http_table_is_right_about_numbers_and_methods() -> None:
    rows = dict(tables(section("HTTP"))[0])
    assert rows["Methods"].startswith(f"{b', '.join(ALLOWED_METHODS).decode()};")
    assert f"up to {MAX_RANGES} (" in rows["Ranges"]


# Metrics and status.


def test_the_metrics_are_those_of_the_program() -> None:
    rows = [
        [f"`{metric.full_name}`", metric.kind, ", ".join(f"`{label}`" for label in metric.labels), metric.help]
        for metric in METRICS
    ]
    rows.append([f"`{DURATION_NAME}`", "histogram", "", DURATION_HELP])
    assert tables(section("Metrics and status"))[1] == rows


def test_every_reason_of_a_failed_handshake_is_explained() -> None:
    told = [reason for row in tables(section("Metrics and status"))[2] for reason in re.findall(r"`(\w+)`", row[0])]
    assert sorted(told) == sorted(REASONS)


def test_the_keys_of_the_status_are_those_of_the_program() -> None:
    rows = {row[0].strip("`"): row[1] for row in tables(section("Metrics and status"))[3]}
    told = status_object(snapshot())
    assert list(rows) == list(told)
    for key in ("workers", "certificates"):
        (item,) = told[key]
        assert set(re.findall(r"`(\w+)`", rows[key])) - {stage.value for stage in WorkerStage} == set(item)


# Links and paths.


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", (CHECKOUT / name).read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = CHECKOUT / (file or name)
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), target


def layout() -> set[str]:
    """Return the folders of the layout, as paths in the checkout."""
    folders = set()
    parent = ""
    for line in blocks("", section("Layout"))[0].splitlines():
        name = line.split()[0]
        parent = "" if not line.startswith(" ") else parent
        folders.add(parent + name.rstrip("/"))
        parent = name if not line.startswith(" ") else parent
    return folders


def test_the_layout_names_the_folders_that_there_are() -> None:
    named = layout()
    for folder in named:
        assert (CHECKOUT / folder).is_dir(), folder
    for top in ("ktlsserve", "tests"):
        sources = (path for pattern in ("*/*.py", "*/*.toml") for path in (CHECKOUT / top).glob(pattern))
        assert {f"{top}/{path.parent.name}" for path in sources} <= named


def test_the_paths_in_commands_exist() -> None:
    found = re.findall(r"(?<![\w/])(?:tests|ktlsserve|config)/[\w./-]+", README + CONTRIBUTING)
    assert len(found) > 10
    for path in found:
        assert (CHECKOUT / path.rstrip(".")).exists(), path


# Configurations, commands and what they show.


def test_configurations_are_valid() -> None:
    found = blocks("toml", ELSEWHERE)
    assert found
    for block in found:
        parse_config(block)


def test_every_command_is_run_or_has_a_reason() -> None:
    assert sorted(commands(ELSEWHERE)) == sorted([*OWN_COMMANDS, *CURL_COMMANDS, *NOT_RUN])


@pytest.mark.slow
@pytest.mark.parametrize("command", OWN_COMMANDS)
def test_the_programs_own_commands_run(command: str) -> None:
    arguments = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=DEADLINE_S, check=False, cwd=CHECKOUT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", CURL_COMMANDS)
def test_clients_get_something(command: str, server: Server) -> None:
    assert curl(command, server)


@pytest.mark.slow
def test_the_transcript_is_what_a_client_sees(server: Server) -> None:
    shown = next(shown for shown in transcript(README) if shown.command.startswith("curl "))
    printed = curl(shown.command, server)
    assert is_as_shown(printed, shown.lines), printed


@pytest.mark.slow
def test_the_listening_lines_are_like_the_servers(server: Server) -> None:
    real = server.output().splitlines()[0]
    shown = [line for line in README.splitlines() if line.startswith("listening on ")]
    assert len(shown) == 3
    for line in shown:
        assert _shape(line) == _shape(real)


def _shape(line: str) -> list[str]:
    return [re.sub(r"(://|=).*", r"\1", word) for word in line.split()]


@pytest.mark.parametrize(
    "page", sorted((CHECKOUT / "config" / "site").rglob("*.html")), ids=lambda page: page.parent.name
)
def test_the_pages_of_the_site_need_nothing_from_elsewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    for target in re.findall(r"""(?:href|src)="([^"]*)\"""", text):
        assert target.startswith("/"), target
        path = CHECKOUT / "config" / "site" / target.lstrip("/")
        assert (path / "index.html" if target.endswith("/") else path).is_file(), target
