from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ktlsserve.observe import logs
from ktlsserve.observe.logs import DescriptorHandler, LogFormat, configure_logs, name_worker

logger = logging.getLogger("ktlsserve.worker.loop")
Lines = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    for handler in [handler for handler in root.handlers if isinstance(handler, DescriptorHandler)]:
        root.removeHandler(handler)
    root.setLevel(level)
    name_worker(None)


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def fd(log_path: Path) -> Iterator[int]:
    fd = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield fd
    os.close(fd)


@pytest.fixture
def lines(log_path: Path) -> Lines:
    return lambda: log_path.read_text().splitlines()


class TestText:
    @pytest.fixture(autouse=True)
    def _configured(self, fd: int) -> None:
        configure_logs("info", "text", fd=fd)

    def test_line(self, lines: Lines) -> None:
        logger.info("listening on %s", "port", extra={"port": 8443})
        (line,) = lines()
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    main\[\d+\] worker\.loop: listening on port port=8443",
            line,
        )
        assert f"main[{os.getpid()}]" in line

    def test_worker(self, lines: Lines) -> None:
        name_worker(3)
        logger.warning("late")
        assert f" WARNING worker-3[{os.getpid()}] worker.loop: late" in lines()[0]

    def test_time_is_that_of_the_record_in_utc(self, lines: Lines) -> None:
        record = logger.makeRecord(logger.name, logging.INFO, "", 0, "x", (), None)
        record.created = 784_111_777.98765
        logger.handle(record)
        assert lines()[0].startswith("1994-11-06T08:49:37.987Z ")

    def test_fields_are_told_apart(self, lines: Lines) -> None:
        logger.info("m", extra={"a": "two words", "b": 'q"', "c": "", "d": None, "e": b"/\xff"})
        assert lines()[0].endswith(r'm a="two words" b="q\"" c="" d=None e=/\xff')

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a\nb", r"a\nb"),
            ("a\r\n2026-01-01T00:00:00.000Z INFO forged", r"a\r\n2026-01-01T00:00:00.000Z INFO forged"),
            ("\x1b[31mred", r"\x1b[31mred"),
            ("tab\t", r"tab\t"),
            ("\x7f\x85\x9b", r"\x7f\x85\x9b"),
            ("\u2028\u2029", r"\u2028\u2029"),
            ("grüße", "grüße"),
            (os.fsdecode(b"name-\xff"), r"name-\udcff"),
        ],
    )
    def test_a_message_stays_on_its_line(self, lines: Lines, text: str, expected: str) -> None:
        logger.info("got %s", text, extra={"field": text.replace(" ", "")})
        (line,) = lines()
        assert f"got {expected} field={expected.replace(' ', '')}" in line

    def test_exception_is_indented(self, lines: Lines) -> None:
        try:
            raise ValueError("first\nINFO forged")  # noqa: TRY301
        except ValueError:
            logger.exception("failed")
        first, *rest = lines()
        assert first.endswith("worker.loop: failed")
        assert rest[0] == "    Traceback (most recent call last):"
        assert rest[-2:] == ["    ValueError: first", "    INFO forged"]
        assert all(line.startswith("    ") for line in rest)

    def test_levels(self, lines: Lines) -> None:
        logger.debug("no")
        logger.error("yes")
        assert len(lines()) == 1


class TestJson:
    @pytest.fixture(autouse=True)
    def _configured(self, fd: int) -> None:
        configure_logs("debug", "json", fd=fd)

    def test_line(self, lines: Lines) -> None:
        name_worker(0)
        logger.debug("hello %s", "wörld\n\x1b", extra={"peer": "::1", "port": 1, "ratio": 0.5, "ok": True, "no": None})
        (line,) = lines()
        assert line.isascii()
        entry = json.loads(line)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("time"))
        assert entry == {
            "level": "debug",
            "logger": "ktlsserve.worker.loop",
            "message": "hello wörld\n\x1b",
            "worker": 0,
            "pid": os.getpid(),
            "peer": "::1",
            "port": 1,
            "ratio": 0.5,
            "ok": True,
            "no": None,
        }

    def test_supervisor_has_no_worker_number(self, lines: Lines) -> None:
        logger.info("x")
        assert "worker" not in json.loads(lines()[0])

    def test_values_that_json_does_not_have(self, lines: Lines) -> None:
        extra = {"path": b"/a\xff", "nan": float("nan"), "kind": Path("x"), "name_": os.fsdecode(b"\xff")}
        logger.info("x", extra=extra)
        entry = json.loads(lines()[0], parse_constant=pytest.fail)
        assert (entry["path"], entry["nan"], entry["kind"], entry["name_"]) == (r"/a\xff", "nan", "x", r"\udcff")

    def test_fields_do_not_replace_those_of_the_log(self, lines: Lines) -> None:
        logger.info("x", extra={"time": "never", "pid": -1})
        entry = json.loads(lines()[0])
        assert entry["pid"] == os.getpid()
        assert (entry["time_"], entry["pid_"]) == ("never", -1)

    def test_exception_is_a_field(self, lines: Lines) -> None:
        try:
            raise ValueError("why")  # noqa: TRY301
        except ValueError:
            logger.exception("failed")
        (line,) = lines()
        exception = json.loads(line)["exception"]
        assert exception.startswith("Traceback (most recent call last):\n")
        assert exception.endswith("ValueError: why")

    def test_stack(self, lines: Lines) -> None:
        logger.info("here", stack_info=True)
        assert json.loads(lines()[0])["exception"].startswith("Stack (most recent call last):")

    def test_exc_info_without_an_exception(self, lines: Lines) -> None:
        logger.info("x", exc_info=True)  # noqa: LOG014 - the mistake that is tested
        assert "exception" not in json.loads(lines()[0])

    def test_arguments_that_do_not_fit(self, fd: int, lines: Lines) -> None:
        record = logger.makeRecord(logger.name, logging.INFO, "", 0, "%d files", ("many",), None)
        configure_logs("info", "json", fd=fd).handle(record)
        assert json.loads(lines()[0])["message"] == "'%d files' % ('many',)"


class TestConfigure:
    def test_again_replaces(self, fd: int, lines: Lines) -> None:
        configure_logs("error", "text", fd=fd)
        configure_logs("info", "json", fd=fd)
        logger.info("once")
        assert [json.loads(line)["message"] for line in lines()] == ["once"]

    @pytest.mark.parametrize(("level", "log_format"), [("loud", "text"), ("INFO", "text"), ("info", "xml")])
    def test_unknown_values(self, level: str, log_format: LogFormat) -> None:
        with pytest.raises(ValueError, match="unknown log"):
            configure_logs(level, log_format)

    def test_standard_error_by_default(self, capfd: pytest.CaptureFixture[str]) -> None:
        configure_logs("info", "text")
        logger.info("to standard error")
        out, err = capfd.readouterr()
        assert out == ""
        assert err.endswith("to standard error\n")

    def test_standard_error_closed_from_the_start(self, tmp_path: Path) -> None:
        # Descriptor 2 then becomes the first file that the program opens.
        script = (
            "import logging, os, sys\n"
            "from ktlsserve.observe.logs import configure_logs\n"
            f"fd = os.open({str(tmp_path / 'victim')!r}, os.O_CREAT | os.O_WRONLY)\n"
            "handler = configure_logs('info', 'text')\n"
            "logging.getLogger().info('leak')\n"
            "print(fd, handler.dropped_lines)\n"
        )
        command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, script]
        result = subprocess.run(
            command, stdout=subprocess.PIPE, check=True, timeout=30, cwd=Path(logs.__file__).parents[2]
        )
        assert result.stdout == b"2 1\n"
        assert (tmp_path / "victim").read_bytes() == b""


class TestNobodyReads:
    @pytest.fixture
    def pipe(self) -> Iterator[tuple[int, int]]:
        ends = os.pipe()
        yield ends
        os.close(ends[1])

    def test_closed_descriptor(self) -> None:
        fd = os.dup(0)
        os.close(fd)
        handler = configure_logs("info", "text", fd=fd)
        logger.info("x")
        assert handler.dropped_lines == 1

    def test_full_disk(self) -> None:
        fd = os.open("/dev/full", os.O_WRONLY)
        handler = configure_logs("info", "text", fd=fd)
        logger.info("x")
        assert handler.dropped_lines == 1
        os.close(fd)

    def test_reader_gone(self, pipe: tuple[int, int]) -> None:
        handler = configure_logs("info", "text", fd=pipe[1])
        os.close(pipe[0])
        logger.info("x")
        assert handler.dropped_lines == 1

    def test_full_pipe_is_not_waited_for_and_may_be_emptied_again(self, pipe: tuple[int, int]) -> None:
        handler = configure_logs("info", "text", fd=pipe[1])
        for _ in range(100):
            logger.info("x" * 2000)
        assert 0 < handler.dropped_lines < 100
        assert os.get_blocking(pipe[1])
        dropped = handler.dropped_lines
        os.read(pipe[0], 1 << 20)
        logger.info("again")
        assert os.read(pipe[0], 1 << 20).endswith(b"again\n")
        assert handler.dropped_lines == dropped
        os.close(pipe[0])

    def test_message_longer_than_the_pipe(self, pipe: tuple[int, int]) -> None:
        handler = configure_logs("info", "text", fd=pipe[1])
        logger.info("x" * 1_000_000)
        assert handler.dropped_lines == 1
        os.close(pipe[0])

    def test_long_message_is_whole_where_there_is_room(self, pipe: tuple[int, int]) -> None:
        configure_logs("info", "text", fd=pipe[1])
        logger.info("x" * 20_000)
        assert os.read(pipe[0], 1 << 20).endswith(b" " + b"x" * 20_000 + b"\n")
        os.close(pipe[0])

    def test_field_that_can_not_be_shown(self, fd: int) -> None:
        class Broken:
            def __str__(self) -> str:
                raise RuntimeError

        handler = configure_logs("info", "text", fd=fd)
        logger.info("x", extra={"field": Broken()})
        assert handler.dropped_lines == 1
