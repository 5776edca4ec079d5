from __future__ import annotations

import platform
from pathlib import Path
from typing import TextIO

import pytest

from ktlsserve import __version__, cli, doctor
from ktlsserve.cli import main
from ktlsserve.config import Config
from ktlsserve.errors import EXIT_BUG, EXIT_OK, EXIT_STARTUP, EXIT_USAGE, ListenError
from ktlsserve.supervisor import run


class FakeServer:
    """Stands in for the supervisor: notes what it is to serve, and ends as it is told."""

    def __init__(self) -> None:
        self.configs: list[Config] = []
        self.failure: BaseException | None = None

    def serve(self, config: Config) -> int:
        self.configs.append(config)
        if self.failure is not None:
            raise self.failure
        return EXIT_OK


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    fake = FakeServer()
    monkeypatch.setattr(run, "serve", fake.serve)
    return fake


def test_a_folder_is_served_with_and_without_the_command(server: FakeServer, tmp_path: Path) -> None:
    for arguments in (
        [str(tmp_path), "--tls", "off"],
        ["serve", str(tmp_path), "--tls", "off"],
        ["--tls", "off", "--", str(tmp_path)],
    ):
        assert main(arguments) == EXIT_OK
        assert server.configs[-1].server.root == tmp_path
        assert server.configs[-1].tls.mode == "off"


def test_the_file_is_served_under_the_command_line(server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    file = tmp_path / "site.toml"
    file.write_text('[server]\nroot = "www"\nworkers = 2\n')
    assert main(["serve", "--config", str(file), "--workers", "5"]) == EXIT_OK
    assert server.configs[0].server.root == tmp_path / "www"
    assert server.configs[0].server.workers == 5
    assert server.configs[0].origin.file == file
    assert main([str(tmp_path), "--config", str(file)]) == EXIT_OK
    assert server.configs[1].server.root == tmp_path


def test_a_folder_named_like_a_command_is_written_with_its_path(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "serve").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["./serve"]) == EXIT_OK
    assert main(["serve", "serve"]) == EXIT_OK
    assert [config.server.root for config in server.configs] == [tmp_path / "serve"] * 2


def test_errors_have_their_status_and_a_line_for_each_problem(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.failure = ListenError("one\ntwo")
    assert main([str(tmp_path)]) == EXIT_STARTUP
    assert capsys.readouterr().err == "ktlsserve: error: one\nktlsserve: error: two\n"


def test_a_bug_shows_where_it_is(server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.failure = ZeroDivisionError("oops")
    assert main([str(tmp_path)]) == EXIT_BUG
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert error.endswith("ktlsserve: error: this is a bug in ktlsserve; please report it with the lines above\n")


def test_an_interrupt_is_a_clean_stop(server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.failure = KeyboardInterrupt()
    assert main([str(tmp_path)]) == EXIT_OK
    assert capsys.readouterr().err == ""


def test_doctor_reports_on_standard_output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def report(*, as_json: bool, out: TextIO) -> int:
        out.write(f"json: {as_json}\n")
        return EXIT_OK

    monkeypatch.setattr(doctor, "run_doctor", report)
    assert main(["doctor"]) == EXIT_OK
    assert main(["doctor", "--json"]) == EXIT_OK
    assert capsys.readouterr().out == "json: False\njson: True\n"


def test_an_interrupted_report_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.RUN, "doctor", interrupted)
    assert main(["doctor"]) == EXIT_BUG


def test_other_systems_are_told_so(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    for arguments in ([str(tmp_path)], ["doctor"]):
        assert main(arguments) == EXIT_STARTUP
        assert "ktlsserve serves on Linux only, and this is Darwin" in capsys.readouterr().err
    assert main(["--version"]) == EXIT_OK
    assert server.configs == []


def test_version_and_help_leave_with_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == EXIT_OK
    assert capsys.readouterr().out == f"ktlsserve {__version__}\n"
    for arguments in (["--help"], ["serve", "-h"], ["doctor", "--help"], ["check", "--help"]):
        assert main(arguments) == EXIT_OK
        assert capsys.readouterr().out.startswith("usage: ktlsserve")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which folder? name ROOT, or --config FILE that does"),
        (["serve"], "which folder?"),
        (["--tls", "off"], "which folder?"),
        (["/nonexistent/folder"], "no such folder: /nonexistent/folder"),
        (["/dev/null"], "is not a folder: /dev/null"),
        (["/", "--frob"], "unknown option: --frob"),
        (["/", "--listen", "a:1", "--listen", "a:1"], 'server.listen[1]: "a:1" is in the list twice'),
        (["healthcheck", "--url", "https://a/", "b:1"], "--url is all that is asked: it goes with neither"),
        (["healthcheck", "localhost"], "argument HOST:PORT: 'localhost' must end in a port"),
        (["check"], "the following arguments are required: FILE"),
        (["check", "/nonexistent.toml"], "/nonexistent.toml: file: can't be read: No such file or directory"),
        (["serve", "--config", "/nonexistent.toml"], "/nonexistent.toml: file: can't be read"),
        (["doctor", "all"], "unexpected argument: all"),
    ],
)
def test_a_users_mistake_is_a_message(
    server: FakeServer, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == EXIT_USAGE
    captured = capsys.readouterr()
    assert captured.err.startswith(f"ktlsserve: error: {message}")
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert server.configs == []


def test_a_root_that_the_file_names_wrongly_is_a_problem_of_the_file(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[server]\nroot = "www"\n')
    assert main(["serve", "--config", str(file)]) == EXIT_USAGE
    assert capsys.readouterr().err == f"ktlsserve: error: {file}: server.root: no such folder: {tmp_path}/www\n"


def test_check_tells_what_is_wrong_and_what_is_odd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "site.toml"
    file.write_text("")
    assert main(["check", str(file)]) == EXIT_OK
    captured = capsys.readouterr()
    assert captured.out == f"{file}: ok\n"
    assert captured.err.startswith("ktlsserve: warning: server.root isn't set")
    file.write_text('[server]\nroot = "."\n[timeouts]\nidle_s = 0\nfrob = 1\n')
    assert main(["check", str(file)]) == EXIT_USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split(": must")[0].split(": unknown")[0] for line in captured.err.splitlines()] == [
        f"ktlsserve: error: {file}: timeouts.frob",
        f"ktlsserve: error: {file}: timeouts.idle_s",
    ]
