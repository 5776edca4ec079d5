from __future__ import annotations

import errno
import json
import logging
import os
import resource
import select
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ktlsserve.errors import StartupError
from ktlsserve.observe.access_line import Client
from ktlsserve.observe.access_log import BACKLOG_BYTES, FLUSH_BYTES, AccessLog


def write_line(log: AccessLog, number: int = 0, user_agent: bytes = b"test") -> None:
    head = b"GET /%d HTTP/1.1\r\nUser-Agent: %b\r\n\r\n" % (number, user_agent)
    log.write(log.write_client(Client("192.0.2.7")), head, 200, 0, 971_211_336.0, 0.0)


def write_lines(log: AccessLog, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        write_line(log, number)


def numbers(text: bytes) -> list[int]:
    """Return the numbers of the lines in ``text``, each of which must be whole."""
    assert not text or text.endswith(b"\n")
    found = []
    for line in text.splitlines():
        head, request, _, _, _, user_agent, _ = line.split(b'"')
        assert head.startswith(b"192.0.2.7 - - [")
        assert user_agent == b"test"
        found.append(int(request.split()[1][1:]))
    return found


@contextmanager
def standard_output(fd: int) -> Iterator[None]:
    kept = os.dup(1)
    os.dup2(fd, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def longest_file(size_bytes: int) -> Iterator[None]:
    """Let the kernel write no file beyond that size: a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
def log(path: Path) -> Iterator[AccessLog]:
    log = AccessLog(str(path))
    yield log
    log.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def piped_log(pipe: tuple[int, int]) -> Iterator[AccessLog]:
    with standard_output(pipe[1]):
        log = AccessLog("-")
    yield log
    log.close()


def drain(pipe: tuple[int, int]) -> bytes:
    os.set_blocking(pipe[0], False)
    parts = []
    while select.select([pipe[0]], [], [], 0)[0]:
        parts.append(os.read(pipe[0], 1 << 20))
    return b"".join(parts)


class TestWhenItIsWritten:
    def test_timer(self, log: AccessLog, path: Path) -> None:
        write_lines(log, 3)
        assert path.read_bytes() == b""
        assert log.flush_due(0.0) is False
        assert numbers(path.read_bytes()) == [0, 1, 2]

    def test_enough_gathered(self, log: AccessLog, path: Path) -> None:
        write_lines(log, 2000)
        written = numbers(path.read_bytes())
        assert written == list(range(len(written)))
        assert FLUSH_BYTES <= path.stat().st_size < 2.1 * FLUSH_BYTES
        assert len(written) < 2000

    def test_close(self, log: AccessLog, path: Path) -> None:
        write_lines(log, 3)
        log.close()
        assert numbers(path.read_bytes()) == [0, 1, 2]
        log.close()
        assert log.dropped_lines == 0

    def test_many_lines_leave_in_one_write(self, log: AccessLog, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[int] = []

        def write(_fd: int, data: bytes) -> int:
            calls.append(len(data))
            return len(data)

        write_lines(log, 500)
        monkeypatch.setattr(os, "write", write)
        log.flush()
        monkeypatch.undo()
        assert len(calls) == 1

    def test_nothing_gathered_nothing_written(self, log: AccessLog, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "write", pytest.fail)
        log.flush_due(0.0)


class TestDestination:
    def test_appends_to_what_is_there(self, path: Path) -> None:
        path.write_bytes(b"before\n")
        log = AccessLog(str(path))
        write_lines(log, 1)
        log.close()
        assert path.read_bytes().startswith(b"before\n192.0.2.7 ")

    def test_not_readable_for_others(self, log: AccessLog, path: Path) -> None:
        assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0

    def test_json(self, path: Path) -> None:
        log = AccessLog(str(path), as_json=True)
        write_lines(log, 2)
        log.close()
        assert [json.loads(line)["request"] for line in path.read_bytes().splitlines()] == [
            "GET /0 HTTP/1.1",
            "GET /1 HTTP/1.1",
        ]

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("missing/access.log", "No such file"),
            (".", "Is a directory"),
            ("a\0b", "null byte"),
            ("fifo", "No such device"),
        ],
    )
    def test_can_not_be_opened(self, tmp_path: Path, name: str, reason: str) -> None:
        os.mkfifo(tmp_path / "fifo")  # without a reader, for which opening mustn't wait
        with pytest.raises(StartupError, match=rf"can't write the access log to '.*': .*{reason}"):
            AccessLog(f"{tmp_path}/{name}")

    def test_standard_output_closed(self) -> None:
        kept = os.dup(1)
        os.close(1)
        try:
            with pytest.raises(StartupError, match="'-': Bad file descriptor"):
                AccessLog("-")
        finally:
            os.dup2(kept, 1)
            os.close(kept)

    def test_standard_output_stays_blocking_for_others(self, piped_log: AccessLog, pipe: tuple[int, int]) -> None:
        write_lines(piped_log, 1)
        piped_log.flush()
        assert numbers(drain(pipe)) == [0]
        assert os.get_blocking(pipe[1])

    def test_standard_output_is_a_file(self, path: Path) -> None:
        # As by "> access.log", where each descriptor of the shell's has its own position.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.write(fd, b"listening\n")
        with standard_output(fd):
            log = AccessLog("-")
        path.write_bytes(b"listening\nother\n")
        write_lines(log, 1)
        log.close()
        os.close(fd)
        assert path.read_bytes().startswith(b"listening\nother\n192.0.2.7 ")

    def test_standard_output_is_a_socket(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with standard_output(ours.fileno()):
                log = AccessLog("-")
            write_lines(log, 5000)  # more than the socket's buffers take
            log.flush()
            log.close()
            received = theirs.recv(1 << 22)
            assert received.startswith(b"192.0.2.7 - - [")
            assert log.dropped_lines > 0


class TestRotation:
    def test_reopen(self, log: AccessLog, path: Path) -> None:
        write_lines(log, 1)
        old = path.rename(path.with_suffix(".1"))
        log.reopen()
        write_lines(log, 1, start=1)
        log.flush()
        assert numbers(old.read_bytes()) == [0]
        assert numbers(path.read_bytes()) == [1]

    def test_reopen_fails(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        folder = tmp_path / "logs"
        folder.mkdir()
        log = AccessLog(str(folder / "access.log"))
        moved = folder.rename(tmp_path / "moved")
        log.reopen()
        write_lines(log, 1)
        log.close()
        assert numbers((moved / "access.log").read_bytes()) == [0]
        assert "can't be reopened: No such file or directory" in caplog.text

    def test_standard_output_has_none(self, piped_log: AccessLog, pipe: tuple[int, int]) -> None:
        piped_log.reopen()
        write_lines(piped_log, 1)
        piped_log.flush()
        assert numbers(drain(pipe)) == [0]

    def test_file_becomes_a_pipe(self, log: AccessLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # A line too long for a pipe waits, for the disk is full, and is then written to one.
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda *_: raise_error(errno.ENOSPC))
            write_line(log, user_agent=b"x" * 6000)
            log.flush()
            path.unlink()
            os.mkfifo(path)
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            log.reopen()
        write_lines(log, 2)
        log.flush()
        lines = os.read(reader, 1 << 16).splitlines()
        assert [len(line) > 6000 for line in lines] == [True, False, False]
        os.close(reader)


def raise_error(error: int) -> int:
    raise OSError(error, os.strerror(error))


class TestNobodyReads:
    def test_full_disk_for_a_while(self, log: AccessLog, path: Path) -> None:
        with longest_file(0):
            write_lines(log, 2000)
            assert log.flush_due(0.0) is True
        assert path.stat().st_size == 0
        assert log.flush_due(1.0) is False
        assert numbers(path.read_bytes()) == list(range(2000))
        assert log.dropped_lines == 0

    def test_full_disk_for_too_long(self, log: AccessLog, path: Path) -> None:
        total = 2 * BACKLOG_BYTES // 60
        with longest_file(0):
            write_lines(log, total)
        log.flush()
        kept = numbers(path.read_bytes())
        assert kept == list(range(len(kept)))
        assert log.dropped_lines == total - len(kept) > 0
        assert path.stat().st_size <= BACKLOG_BYTES + 100

    def test_disk_full_in_the_midst_of_a_line(self, log: AccessLog, path: Path) -> None:
        write_lines(log, 1)
        log.flush()
        line_bytes = path.stat().st_size
        write_lines(log, 3, start=1)
        with longest_file(2 * line_bytes + 20):
            log.flush()
        log.flush()
        first, second, torn, last = path.read_bytes().splitlines(keepends=True)
        assert numbers(first + second + last) == [0, 1, 3]
        assert len(torn) == 21
        assert log.dropped_lines == 1

    def test_closed_pipe(self, pipe: tuple[int, int]) -> None:
        inner = os.pipe()
        with standard_output(inner[1]):
            log = AccessLog("-")
        os.close(inner[0])
        os.close(inner[1])
        write_lines(log, 2000)
        log.close()
        assert log.dropped_lines == 2000

    def test_slow_pipe(self, piped_log: AccessLog, pipe: tuple[int, int]) -> None:
        write_lines(piped_log, 3000)  # more than the pipe's 64 KiB
        piped_log.flush()
        assert piped_log.dropped_lines == 0
        read = drain(pipe)
        while len(numbers(read)) < 3000:
            piped_log.flush_due(0.0)
            read += drain(pipe)
        assert numbers(read) == list(range(3000))

    def test_pipe_that_is_read_again_is_noticed_without_the_timer(
        self, piped_log: AccessLog, pipe: tuple[int, int]
    ) -> None:
        count = 0
        while not piped_log.dropped_lines:
            write_lines(piped_log, 1000, start=count)
            count += 1000
        drain(pipe)
        write_lines(piped_log, 2000, start=count)
        assert len(numbers(drain(pipe))) > 100

    def test_memory_stays_bounded(self, piped_log: AccessLog) -> None:
        for _ in range(2 * BACKLOG_BYTES // 1000):
            write_line(piped_log, user_agent=b"x" * 1000)
        assert len(piped_log._buffer) <= BACKLOG_BYTES + select.PIPE_BUF

    def test_closing_that_fails(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        log = AccessLog(str(path))
        fd = log._fd
        with monkeypatch.context() as patch:
            patch.setattr(os, "close", lambda _: raise_error(errno.EIO))
            log.close()
        os.close(fd)
        assert "closing failed: Input/output error" in caplog.text

    def test_written_after_close(self, log: AccessLog) -> None:
        log.close()
        write_lines(log, 3)
        log.close()
        assert log.dropped_lines == 3


class TestWarnings:
    def test_once_a_minute(self, log: AccessLog, caplog: pytest.LogCaptureFixture) -> None:
        with longest_file(0):
            write_lines(log, 1)
            for now_s in (100.0, 101.0, 159.9):
                log.flush_due(now_s)
            assert len(caplog.records) == 1
            assert "File too large; lines lost: 0" in caplog.records[0].message
            write_lines(log, 2 * BACKLOG_BYTES // 60)
            log.flush_due(160.0)
        assert len(caplog.records) == 2
        assert caplog.records[1].levelno == logging.WARNING
        assert f"lines lost: {log.dropped_lines}" in caplog.records[1].message

    def test_loss_is_told_after_it_is_over(
        self, piped_log: AccessLog, pipe: tuple[int, int], caplog: pytest.LogCaptureFixture
    ) -> None:
        while not piped_log.dropped_lines:
            write_lines(piped_log, 1000)
        while piped_log._buffer:
            drain(pipe)
            piped_log.flush()
        lost = piped_log.dropped_lines
        piped_log.flush_due(5.0)
        piped_log.flush_due(500.0)
        assert [record.message for record in caplog.records] == [
            f"access log -: its reader is too slow; lines lost: {lost}"
        ]

    def test_slowness_alone_is_no_news(self, piped_log: AccessLog, caplog: pytest.LogCaptureFixture) -> None:
        write_lines(piped_log, 3000)
        piped_log.flush_due(0.0)
        assert not caplog.records

    def test_all_is_well(self, log: AccessLog, caplog: pytest.LogCaptureFixture) -> None:
        write_lines(log, 3000)
        log.flush_due(0.0)
        assert not caplog.records


class TestLongLines:
    @pytest.mark.parametrize("text", [b"x", b'"', b"\xff", "ü".encode(), b"\0"])
    @pytest.mark.parametrize("as_json", [False, True])
    def test_fit_in_one_write_to_a_pipe(self, pipe: tuple[int, int], text: bytes, as_json: bool) -> None:
        with standard_output(pipe[1]):
            log = AccessLog("-", as_json=as_json)
        long = text * 20_000
        client = log.write_client(Client("192.0.2.7"))
        head = b"GET / HTTP/1.1\r\n"
        all_long = b"GET /%b\r\nReferer: %b\r\nUser-Agent: %b\r\n\r\n" % (long, long, long)
        log.write(client, all_long, 414, 0, 0.0, 0.0)
        log.write(client, head + b"User-Agent: %b\r\n\r\n" % long, 200, 0, 0.0, 0.0)
        log.write(log.write_client(Client("x" * 10_000)), head + b"\r\n", 200, 0, 0.0, 0.0)
        log.close()
        lines = drain(pipe).splitlines(keepends=True)
        assert len(lines) == 3
        assert all(len(line) <= select.PIPE_BUF for line in lines)
        assert all(len(line) > select.PIPE_BUF // 5 for line in lines[:2])
        assert b"..." in lines[0]
        assert log.dropped_lines == 0

    def test_are_whole_in_a_file(self, log: AccessLog, path: Path) -> None:
        write_line(log, user_agent=b"x" * 20_000)
        log.flush()
        assert b'"' + b"x" * 20_000 + b'"\n' in path.read_bytes()

    def test_line_of_just_the_size(self, piped_log: AccessLog, pipe: tuple[int, int]) -> None:
        write_line(piped_log, user_agent=b"")
        piped_log.flush()
        rest = select.PIPE_BUF - len(drain(pipe))
        for length in (rest, rest + 1):
            write_line(piped_log, user_agent=b"x" * length)
        piped_log.flush()
        just, shortened = drain(pipe).splitlines(keepends=True)
        assert len(just) == select.PIPE_BUF
        assert b"xxx..." in shortened


class TestPlainClients:
    def test_they_are_as_any_other_and_written_out_once(self, log: AccessLog, monkeypatch: pytest.MonkeyPatch) -> None:
        for address in ("192.0.2.7", "2001:db8::1"):
            assert log.write_plain_client(address) == log.write_client(Client(address))
        monkeypatch.setattr(log._format, "write_client", pytest.fail)
        assert log.write_plain_client("192.0.2.7").startswith(b"192.0.2.7 ")

    def test_they_are_bounded(self, log: AccessLog) -> None:
        for number in range(3000):
            log.write_plain_client(f"192.0.{number // 256}.{number % 256}")
            assert len(log._plain_clients) <= 1024


class TestKnownReplies:
    HEAD = b'GET / HTTP/1.1\r\nUser-Agent: a "quoted" one\r\n\r\n'

    @pytest.mark.parametrize("as_json", [False, True])
    def test_their_lines_are_those_of_others(self, path: Path, as_json: bool) -> None:
        log = AccessLog(str(path), as_json=as_json)
        client = log.write_client(Client("192.0.2.7"))
        text = log.reply_text(self.HEAD, 200, 10)
        assert text is not None
        log.write_known(client, text, 1000.5)
        log.write(client, self.HEAD, 200, 10, 1000.5, 0.0)
        log.close()
        first, second = path.read_bytes().splitlines()
        assert first == second

    @pytest.mark.parametrize("as_json", [False, True])
    @pytest.mark.parametrize("octet", [b"x", b"\xff", b'"'])
    def test_the_longest_fits_into_one_piece_of_a_pipe(self, path: Path, as_json: bool, octet: bytes) -> None:
        log = AccessLog(str(path), as_json=as_json)
        client = log.write_client(
            Client("f" * 64, "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256", "userspace", True, 1234.5, "\xff" * 300)
        )
        longest = None
        for count in range(1, 2000):
            text = log.reply_text(b"GET / HTTP/1.1\r\nUser-Agent: %b\r\n\r\n" % (octet * count), 200, 10**12)
            if text is None:
                break
            longest = text
        assert longest is not None
        assert text is None
        log.write_known(client, longest, 1000.5)
        log.close()
        assert len(path.read_bytes()) <= select.PIPE_BUF

    def test_they_are_dropped_and_counted_like_others(self, tmp_path: Path) -> None:
        reader, writer = os.pipe()
        try:
            log = AccessLog(f"/proc/self/fd/{writer}")
            client, text = log.write_client(Client("192.0.2.7")), log.reply_text(self.HEAD, 200, 10)
            assert text is not None
            for _ in range(30_000):
                log.write_known(client, text, 1000.5)
            assert log.dropped_lines > 0
            log.close()
        finally:
            os.close(reader)
            os.close(writer)


class TestSharing:
    """Several writers, as workers are: each with its own buffer and descriptor."""

    LINES = 3000

    def write_from_threads(self, logs: list[AccessLog]) -> None:
        def run(log: AccessLog) -> None:
            write_lines(log, self.LINES)
            log.flush()

        threads = [threading.Thread(target=run, args=(log,)) for log in logs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def test_file(self, path: Path) -> None:
        logs = [AccessLog(str(path)) for _ in range(4)]
        self.write_from_threads(logs)
        for log in logs:
            log.close()
        assert sorted(numbers(path.read_bytes())) == sorted([*range(self.LINES)] * 4)

    def test_pipe(self, pipe: tuple[int, int]) -> None:
        with standard_output(pipe[1]):
            logs = [AccessLog("-") for _ in range(4)]
        self.write_from_threads(logs)
        read = drain(pipe)
        while any(log._buffer for log in logs):
            for log in logs:
                log.flush()
            read += drain(pipe)
        for log in logs:
            log.close()
        assert sorted(numbers(read)) == sorted([*range(self.LINES)] * 4)


def test_another_users_standard_output_is_made_non_blocking_itself(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = os.open

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        if path == "/proc/self/fd/1":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real_open(path, flags, mode)

    with standard_output(pipe[1]):
        monkeypatch.setattr(os, "open", refuse)
        log = AccessLog("-")
        monkeypatch.undo()
    write_lines(log, 3000)
    assert not os.get_blocking(pipe[1])
    log.close()
    assert log.dropped_lines > 0
