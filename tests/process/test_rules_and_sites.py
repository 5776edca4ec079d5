"""docs/rules-and-sites.md as it stands there: its configuration, its files, its commands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.documents import Shown, blocks, commands, is_as_shown, page, transcript
from tests.support.pki import new_authority, write_pair
from tests.support.programs import find_program
from tests.support.server import CHECKOUT, Server
from tests.support.waiting import LIMIT_S, wait_until

pytestmark = pytest.mark.slow

TEXT = page("docs/rules-and-sites.md")
EXAMPLE = CHECKOUT / "config" / "example.toml"
SHOWN = transcript(TEXT)
# A configuration of its own, which is no piece of the example.
ONE_SITE = next(block for block in blocks("toml", TEXT) if block.startswith("[server]\n"))
# Commands without an answer: they make what the server then serves.
MADE_BEFORE = [command for command in commands(TEXT) if command not in {shown.command for shown in SHOWN}]
PASSWORD = "secret"
DAYS = (-3650, 3650)


@dataclass(frozen=True, slots=True)
class Example:
    """The example as a running server."""

    server: Server
    http_port: int
    ca_file: Path


def make_files(folder: Path) -> None:
    """Make the files that the page names; each holds its path, in as many lines as make it worth compressing."""
    for path in blocks("", TEXT)[0].split():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{path}\n" * (100 if path.endswith(".js") else 1))


def make_certificates(folder: Path) -> Path:
    """Make the certificates that the example names; return the authority's."""
    (folder / "tls").mkdir()
    authority = new_authority(days=DAYS)
    for name, others in (("www.example.org", ["example.org"]), ("static.example.org", [])):
        write_pair(folder / "tls", name, authority.issue(name, [name, *others], days=DAYS))
    (folder / "ca.pem").write_bytes(authority.pem)
    return folder / "ca.pem"


def run_before(command: str, folder: Path) -> None:
    """Run a command of the page as it stands there; a question is answered with the password."""
    program, *arguments = shlex.split(command)
    start = [sys.executable, "-m", program] if program == "ktlsserve" else [find_program(program)]
    # Without a terminal, the question is put on standard error and answered on standard input.
    done = subprocess.run(
        [*start, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(CHECKOUT)},
        input=f"{PASSWORD}\n{PASSWORD}\n",
        text=True,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr


def settings_by_path(document: str) -> dict[str, object]:
    """Return the settings of a TOML document by key path, as ``Server`` takes them."""
    settings: dict[str, object] = {}
    for table, value in tomllib.loads(document).items():
        settings |= (
            {f"{table}.{key}": item for key, item in value.items()} if isinstance(value, dict) else {table: value}
        )
    return settings


def settings_of_example(folder: Path) -> dict[str, object]:
    """Return the example's settings, but for what this machine hasn't: its ports, its log, perhaps kTLS."""
    settings = settings_by_path(EXAMPLE.read_text(encoding="utf-8"))
    changed = {
        "server.listen": ["127.0.0.1:0"],
        "redirect.listen": ["127.0.0.2:0"],
        "tls.mode": "auto",
        "log.access_log": str(folder / "access.log"),
    }
    assert changed.keys() <= settings.keys()
    return settings | changed


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    folder = tmp_path_factory.mktemp("example")
    make_files(folder)
    ca_file = make_certificates(folder)
    for command in MADE_BEFORE:
        run_before(command, folder)
    with Server(folder, folder / "www", settings=settings_of_example(folder)) as server:
        line = re.compile(r"^listening on http://127\.0\.0\.2:(\d+) tls=off workers=1 redirect=https$", re.MULTILINE)
        redirect = wait_until(lambda: line.search(server.output()), "the line of the redirect's listener")
        yield Example(server, int(redirect[1]), ca_file)


def test_the_pieces_are_those_of_the_example() -> None:
    example = EXAMPLE.read_text(encoding="utf-8")
    pieces = [block for block in blocks("toml", TEXT) if block != ONE_SITE]
    for piece in pieces:
        # As a whole: the table doesn't go on there.
        assert f"\n{piece}\n" in f"{example}\n", piece
    keys = tomllib.loads(example)
    shown = "\n".join(pieces)
    for site in keys["site"]:
        assert f'names = ["{site["names"][0]}"]' in shown
        for rule in site.get("rule", ()):
            assert f'path = "{rule["path"]}"' in shown, "a rule of the example that the page doesn't explain"


def test_there_is_nothing_that_is_not_run() -> None:
    assert {command.split()[0] for command in MADE_BEFORE} == {"htpasswd", "ktlsserve"}
    assert all(shown.command.startswith("curl ") and shown.lines for shown in SHOWN)
    assert len(SHOWN) > 10
    assert sorted(commands(TEXT)) == sorted({*MADE_BEFORE, *(shown.command for shown in SHOWN)})


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.command)
def test_the_answer_is_the_one_shown(example: Example, shown: Shown) -> None:
    where = f"127.0.0.2:{example.http_port}" if "http://" in shown.command else f"127.0.0.1:{example.server.port}"
    printed = curl(shown.command, where, example.ca_file)
    # Where the example listens, the port is the usual one, which isn't written.
    printed = printed.replace(f":{example.server.port}/", "/")
    assert is_as_shown(printed, shown.lines), printed


def test_one_site_answers_as_the_one_among_several(example: Example, tmp_path: Path) -> None:
    files = example.server.folder / "www"
    settings = settings_by_path(ONE_SITE) | {"server.root": str(files)}
    with Server(tmp_path, files, settings=settings) as server:
        for shown in (shown for shown in SHOWN if "/assets/" in shown.command):
            command = shown.command.replace("//www.example.org/", "//localhost/")
            printed = curl(command, f"127.0.0.1:{server.port}", server.ca_file)
            assert is_as_shown(printed, shown.lines), printed


def curl(command: str, where: str, ca_file: Path) -> str:
    """Run a curl command, connecting to HOST:PORT ``where`` whatever it names, and return what it prints."""
    program, *arguments = shlex.split(command)
    options = ["--silent", "--show-error", "--cacert", str(ca_file), "--connect-to", f"::{where}"]
    done = subprocess.run(
        [find_program(program), *options, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
