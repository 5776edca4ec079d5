"""What the pages say in words and tables, against the program and the checkout."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ktlsserve import errors
from ktlsserve.admin.metrics import DURATION_HELP, DURATION_NAME, METRICS
from ktlsserve.admin.status import status_object
from ktlsserve.arguments import COMMANDS
from ktlsserve.config import Config
from ktlsserve.config.checks import ListOf
from ktlsserve.config.file import parse_config
from ktlsserve.config.table import Table, check_of, settings
from ktlsserve.http1.answer import ALLOWED_METHODS
from ktlsserve.http1.ranges import MAX_RANGES
from ktlsserve.kernel.floors import KernelVersion, kernel_version, rx_floor
from ktlsserve.observe.server_state import WorkerStage
from ktlsserve.tls.failures import REASONS
from tests.support.documents import MADE, PAGES, blocks, headings, page, section, tables
from tests.support.server import CHECKOUT, Server
from tests.support.snapshots import snapshot

README = page("README.md")
METRICS_PAGE = page("docs/metrics.md")
WRITTEN = {name: page(name) for name in PAGES if name not in MADE and name != "CHANGELOG.md"}


def test_every_command_of_the_program_is_in_the_readme() -> None:
    usage = blocks("", section("Using it", README))[0]
    for command in COMMANDS:
        assert f"ktlsserve {command} " in usage


# Exit statuses, settings, limits.


def test_the_exit_statuses_are_those_of_the_program() -> None:
    (rows,) = tables(section("Exit status", page("docs/operations.md")))
    known = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert [int(row[0]) for row in rows] == sorted(known)


def test_settings_exist_and_have_the_defaults_that_are_told() -> None:
    # Headings of the doctor's checks look like settings.
    text = re.sub(r"^#.*", "", "\n".join(WRITTEN.values()), flags=re.MULTILINE)
    told = re.findall(r"`(\w+)\.(\w+)`(?:(?: =)? \(`?([^\s`)]+)`?(?: s)?\))?", text)
    named = [one for one in told if one[0] in settings(Config) and one[1] != "toml"]
    assert len(named) > 20
    for table, key, value in named:
        check = check_of(settings(Config)[table])
        item = check.item if isinstance(check, ListOf) else check
        assert isinstance(item, Table)
        assert key in settings(item.shape), f"{table}.{key}"
        if value:
            default = getattr(getattr(Config(), table), key)
            assert value in {f"{default:g}" if isinstance(default, float) else str(default), *_strings(default)}


def _strings(default: object) -> list[str]:
    return [str(item) for item in default] if isinstance(default, tuple) else []


def test_small_files_are_as_small_as_told() -> None:
    told = re.search(r"A file of up\s+to (\d+) KiB \(`files\.small_bytes`\)", page("docs/how-it-works.md"))
    assert told is not None
    assert int(told[1]) * 1024 == Config().files.small_bytes


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("docs/security.md", r"only from Linux ([\d., and]+) on"),
        ("docs/troubleshooting.md", r"Use Linux ([\d., or]+) or later of the same series"),
    ],
)
def test_the_kernels_that_may_receive_are_those_of_the_floors(name: str, pattern: str) -> None:
    told = re.search(pattern, re.sub(r"\s+", " ", page(name)))
    assert told is not None
    versions = [kernel_version(text) for text in re.findall(r"[\d.]*\d", told[1])]
    assert len(versions) == 4
    for version in versions:
        assert version is not None
        assert rx_floor(version).met is True
        assert rx_floor(KernelVersion(version.major, version.minor, version.patch - 1)).met is False


def test_the_http_table_is_right_about_numbers_and_methods() -> None:
    rows = dict(tables(page("docs/http.md"))[0])
    assert rows["Methods"].startswith(f"{b', '.join(ALLOWED_METHODS).decode()};")
    assert f"up to {MAX_RANGES} (" in rows["Ranges"]


# Metrics and status.


def test_the_metrics_are_those_of_the_program() -> None:
    rows = [
        [f"`{metric.full_name}`", metric.kind, ", ".join(f"`{label}`" for label in metric.labels), metric.help]
        for metric in METRICS
    ]
    rows.append([f"`{DURATION_NAME}`", "histogram", "", DURATION_HELP])
    assert tables(METRICS_PAGE)[1] == rows


def test_metrics_that_are_named_elsewhere_exist() -> None:
    known = {metric.full_name for metric in METRICS}
    named = {name for text in WRITTEN.values() for name in re.findall(r"`(ktlsserve_\w+)`", text)}
    assert len(named) > len(METRICS)
    assert named - known == {DURATION_NAME}


def test_every_reason_of_a_failed_handshake_is_explained() -> None:
    told = [reason for row in tables(METRICS_PAGE)[2] for reason in re.findall(r"`(\w+)`", row[0])]
    assert sorted(told) == sorted(REASONS)


def test_the_keys_of_the_status_are_those_of_the_program() -> None:
    rows = {row[0].strip("`"): row[1] for row in tables(METRICS_PAGE)[3]}
    told = status_object(snapshot())
    assert list(rows) == list(told)
    for key in ("workers", "certificates"):
        (item,) = told[key]
        assert set(re.findall(r"`(\w+)`", rows[key])) - {stage.value for stage in WorkerStage} == set(item)


# Benchmarks.


@pytest.mark.parametrize("heading", ["Fairness", "Idle connections"])
def test_figures_are_those_of_the_tools_own_page(heading: str) -> None:
    (told,) = tables(section(heading, WRITTEN["docs/benchmarks.md"]))
    others = [name for name, text in WRITTEN.items() if heading in headings(text) and name != "docs/benchmarks.md"]
    assert others
    for name in others:
        (measured,) = tables(section(heading, WRITTEN[name]))
        assert told == measured, name


# Paths.


def layout() -> set[str]:
    """Return the folders of the layout, as paths in the checkout."""
    folders = set()
    parent = ""
    for line in blocks("", section("Where things are", page("CONTRIBUTING.md")))[0].splitlines():
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
    assert {path.parent.name for path in CHECKOUT.glob("*/*.py")} <= named


@pytest.mark.parametrize("name", WRITTEN)
def test_paths_of_the_checkout_exist(name: str) -> None:
    for path in re.findall(r"(?<![\w/.-])(?:tests|ktlsserve|config|docs|loadtests|manual)/[\w./-]+", WRITTEN[name]):
        if not path.startswith("ktlsserve/access.log"):
            beside = (CHECKOUT / name).parent / path
            assert (CHECKOUT / path.rstrip(".")).exists() or beside.exists(), path


# Configurations and what a server prints.


@pytest.mark.parametrize(
    "name",
    # What stands in that page are scenarios of load tests.
    [name for name, text in WRITTEN.items() if blocks("toml", text) and name != "docs/load-testing.md"],
)
def test_configurations_are_valid(name: str) -> None:
    if name == "docs/rules-and-sites.md":
        # Its pieces are those of config/example.toml, which tests/process/test_rules_and_sites.py serves with.
        parse_config((CHECKOUT / "config" / "example.toml").read_text(encoding="utf-8"))
        return
    for block in blocks("toml", WRITTEN[name]):
        parse_config(block)


@pytest.mark.slow
def test_the_listening_lines_are_like_the_servers(tmp_path: Path) -> None:
    with Server(tmp_path, CHECKOUT / "config" / "site") as server:
        real = server.output().splitlines()[0]
    pages = (README, page("docs/kernel-or-userspace.md"))
    shown = [line for text in pages for line in text.splitlines() if line.startswith("listening on ")]
    assert len(shown) == 3
    for line in shown:
        assert _shape(line) == _shape(real)


def _shape(line: str) -> list[str]:
    return [re.sub(r"(://|=).*", r"\1", word) for word in line.split()]


@pytest.mark.parametrize(
    "path", sorted((CHECKOUT / "config" / "site").rglob("*.html")), ids=lambda path: path.parent.name
)
def test_the_pages_of_the_site_need_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text
    for target in re.findall(r"""(?:href|src)="([^"]*)\"""", text):
        assert target.startswith("/"), target
        file = CHECKOUT / "config" / "site" / target.lstrip("/")
        assert (file / "index.html" if target.endswith("/") else file).is_file(), target
