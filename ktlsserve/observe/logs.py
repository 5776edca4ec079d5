"""The program's log: standard ``logging``, to standard error, as text or as one JSON object a line.

A server mustn't fail or wait because nobody reads its log. What can't be written at once is lost and counted: a full
disk, a pipe that nobody empties, a closed descriptor. And no line is begun but by a record: control characters in a
message, which may come from a request, are escaped.
"""

from __future__ import annotations

import json
import logging
import math
import os
import select
import sys
import time
from typing import Literal

LogFormat = Literal["text", "json"]
LEVELS = ("debug", "info", "warning", "error")

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_JSON_FIELDS = frozenset({"time", "level", "logger", "message", "worker", "pid", "exception"})

# C0, DEL, C1 and the separators at which some viewers begin a line.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_CONTROL |= {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_TRACEBACK = {code: text for code, text in _CONTROL.items() if code != 0x0A} | {0x0A: "\n    "}


class _Process:
    """Which of the program's processes this one is; set after the fork."""

    worker: int | Literal["admin"] | None = None


def name_worker(worker: int | Literal["admin"] | None) -> None:
    """Say that the lines of this process come from worker ``worker``; None, the default, from the supervisor.

    ``admin`` is the process of the admin endpoint, which is a worker too.
    """
    _Process.worker = worker


def configure_logs(level: str, log_format: LogFormat, *, fd: int | None = None) -> DescriptorHandler:
    """Send what is logged at ``level`` (of LEVELS) and above to descriptor ``fd``, standard error by default.

    Called again, it replaces what it set up before. Where standard error was closed when the program started its
    number may name any file or connection, so nothing is written at all. Returns the handler, which counts.
    Raises ValueError for an unknown level or format.
    """
    if level not in LEVELS:
        raise ValueError(f"unknown log level {level!r}")
    if log_format not in _FORMATTERS:
        raise ValueError(f"unknown log format {log_format!r}")
    if fd is None:
        fd = 2 if sys.__stderr__ is not None else -1
    handler = DescriptorHandler(fd)
    handler.setFormatter(_FORMATTERS[log_format]())
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, DescriptorHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    return handler


class DescriptorHandler(logging.Handler):
    """Writes lines to a descriptor, without waiting for it and without ever raising.

    ``dropped_lines`` counts the records that were lost, or lost their end.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self.dropped_lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            _write_at_once(self._fd, self.format(record).encode("utf-8", "backslashreplace") + b"\n")
        except Exception:  # noqa: BLE001 - there is nowhere left to report it to
            self.dropped_lines += 1


def _write_at_once(fd: int, data: bytes) -> None:
    """Write ``data`` as far as that needs no waiting; raises OSError or ValueError where it doesn't.

    The descriptor belongs to others too (the shell's terminal, our standard output), so it stays blocking. A pipe that
    polls as writable takes PIPE_BUF bytes (pipe(7)), hence the pieces.
    """
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    for start in range(0, len(data), select.PIPE_BUF):
        piece = data[start : start + select.PIPE_BUF]
        if not poll.poll(0) or os.write(fd, piece) < len(piece):
            raise BlockingIOError


class _TextFormatter(logging.Formatter):
    """``TIME LEVEL PROCESS[PID] LOGGER: MESSAGE key=value``, a traceback indented below."""

    def format(self, record: logging.LogRecord) -> str:
        process = f"worker-{_Process.worker}" if isinstance(_Process.worker, int) else _Process.worker or "main"
        fields = "".join(f" {name}={_text_value(value)}" for name, value in _extra_fields(record).items())
        text = f"{record.name.removeprefix('ktlsserve.')}: {_message(record)}{fields}".translate(_CONTROL)
        exception = _exception(self, record)
        if exception is not None:
            text += f"\n    {exception.translate(_TRACEBACK)}"
        return f"{_rfc3339(record.created)} {record.levelname:<7} {process}[{os.getpid()}] {text}"


class _JsonFormatter(logging.Formatter):
    """One object: the fields of _JSON_FIELDS, then the record's own (with "_" after a name that is taken)."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if _Process.worker is not None:
            line["worker"] = _Process.worker
        line["pid"] = os.getpid()
        for name, value in _extra_fields(record).items():
            line[f"{name}_" if name in _JSON_FIELDS else name] = _json_value(value)
        exception = _exception(self, record)
        if exception is not None:
            line["exception"] = exception
        return json.dumps(line)


_FORMATTERS: dict[str, type[logging.Formatter]] = {"text": _TextFormatter, "json": _JsonFormatter}


def _rfc3339(epoch_s: float) -> str:
    second = int(epoch_s)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{int((epoch_s - second) * 1000):03}Z"


def _message(record: logging.LogRecord) -> str:
    try:
        return _plain(record.getMessage())
    except Exception:  # noqa: BLE001 - arguments that don't fit are shown beside what they should go into
        return _plain(f"{record.msg!r} % {record.args!r}")


def _extra_fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS}


def _text_value(value: object) -> str:
    text = _plain(value)
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "=') else text


def _json_value(value: object) -> object:
    """Return what JSON has as it is, and all else as text (NaN and infinity too, which JSON hasn't)."""
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _plain(value)


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str | None:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return _plain("\n".join(parts)) if parts else None


def _plain(value: object) -> str:
    r"""Return ``value`` as text that UTF-8 can hold: undecodable bytes of paths and requests as \xHH."""
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "backslashreplace")
    return str(value).encode("utf-8", "backslashreplace").decode()
