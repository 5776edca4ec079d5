"""The access log: lines gathered in memory and written many at a time.

Theory of operation
-------------------
Lines leave in one write for many, when 64 KiB have come together or when the loop's timer says so. Several workers
share one file or pipe, and no line is torn by another's: the kernel appends a write to a regular file (O_APPEND) in
one piece, and a write to a pipe if it has no more than PIPE_BUF bytes (pipe(7)), so pipes get pieces of whole lines
and lines too long for one are shortened. This is not for beauty: who can make lines tear can forge lines of others.

Serving never waits for the log and never fails with it. All but regular files are non-blocking; what they don't take
stays in a bounded backlog, beyond which lines are dropped and counted. (A write to a regular file may wait for its
disk: Linux has no write that doesn't, short of another thread.)
"""

from __future__ import annotations

import logging
import os
import select
import stat

from ktlsserve.errors import StartupError
from ktlsserve.networks import IpAddress
from ktlsserve.observe.access_line import Client, CombinedFormat, JsonFormat, LineFormat, RequestFields

# What is gathered for one write: some 300 lines, which makes the system call cheap per line (as nginx's buffer=64k).
FLUSH_BYTES = 64 * 1024
# What a reader that pauses may cost us in memory: some 5,000 lines.
BACKLOG_BYTES = 1024 * 1024
WARNING_INTERVAL_S = 60.0

# Others write lines of their own beside ours, into the same file.
_OPEN_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
# Addresses are personal data: not for everybody.
_MODE = 0o640
_MOST_PLAIN_CLIENTS = 1024
# With the longest that is said of a connection, and the time, a line of this is shorter than PIPE_BUF.
_LONGEST_KEPT_BYTES = 1536

_logger = logging.getLogger(__name__)


class AccessLog:
    """Writes a line for each reply to ``destination``: a path, or ``-`` for standard output.

    ``as_json`` chooses JSON instead of the combined log format. ``dropped_lines`` counts the lines lost since the
    start. Raises StartupError if the destination can't be opened; after that nothing raises.
    """

    def __init__(self, destination: str, *, as_json: bool = False) -> None:
        self.destination = destination
        self.dropped_lines = 0
        self._format: LineFormat = JsonFormat() if as_json else CombinedFormat()
        # By address.
        self._plain_clients: dict[str, bytes] = {}
        self._buffer = bytearray()
        self._until_flush_bytes = FLUSH_BYTES
        self._failing = False
        self._last_failure = ""
        self._warned_lines = 0
        self._warned_at_s: float | None = None
        try:
            self._fd = _open(destination)
        except (OSError, ValueError) as error:
            raise StartupError(f"can't write the access log to {destination!r}: {_reason(error)}") from None
        self._piece_bytes = _piece_bytes(self._fd)

    def write_client(self, client: Client) -> bytes:
        """Return what lines say of a connection, for ``write``; the same for all its lines."""
        return self._format.write_client(client)

    def write_plain_client(self, address: str) -> bytes:
        """Return what lines say of a connection without TLS: it is kept, because one client often comes again."""
        known = self._plain_clients.get(address)
        if known is None:
            if len(self._plain_clients) >= _MOST_PLAIN_CLIENTS:
                self._plain_clients.clear()
            known = self._plain_clients[address] = self._format.write_client(Client(address))
        return known

    def rename_client(self, client: bytes, address: IpAddress) -> bytes:
        """Return what ``write_client`` returned, with another address in its place."""
        return self._format.rename_client(client, address)

    def reply_text(self, head: bytes, status: int, body_bytes: int) -> bytes | None:
        """Return what lines say of a request and its whole reply, for ``write_known``; None for what may be too long.

        It depends on the request line and on ``http1.request_key.NOTED_FIELDS``, and on nothing else of the head.
        """
        text = self._format.write_reply(RequestFields.of(head), status, body_bytes)
        return text if len(text) <= _LONGEST_KEPT_BYTES else None

    def write_known(self, client: bytes, reply_text: bytes, when_s: float) -> None:
        """Add the line of a reply that was sent in the turn in which its request came."""
        self._add(self._format.line(client, reply_text, when_s, 0.0))

    def write(self, client: bytes, head: bytes, status: int, body_bytes: int, when_s: float, duration_s: float) -> None:
        """Add the line of one reply: see ``LineFormat``.

        ``head`` is that of the request, or empty where the reply answers what was no request.
        """
        reply = self._format.write_reply(RequestFields.of(head), status, body_bytes)
        line = self._format.line(client, reply, when_s, duration_s)
        if len(line) > self._piece_bytes:
            line = self._short_line(client, head, status, body_bytes, when_s, duration_s)
        self._add(line)

    def _add(self, line: bytes) -> None:
        buffer = self._buffer
        if len(buffer) < BACKLOG_BYTES:
            buffer += line
        else:
            self.dropped_lines += 1
        # Counted down by dropped lines too: a reader that wakes up is noticed after as many lines as ever.
        self._until_flush_bytes -= len(line)
        if self._until_flush_bytes <= 0:
            self.flush()

    def flush(self) -> None:
        """Write what is gathered, as far as that needs no waiting."""
        self._until_flush_bytes = FLUSH_BYTES
        while self._buffer:
            # The second for a line gathered for a file that was reopened as a pipe.
            end = self._buffer.rfind(b"\n", 0, self._piece_bytes) + 1 or self._buffer.find(b"\n") + 1
            try:
                # Not copied; and let go of at once, since a buffer that is looked at can't be shortened.
                with memoryview(self._buffer)[:end] as piece:
                    written = os.write(self._fd, piece)
            except BlockingIOError:
                self._last_failure = "its reader is too slow"
                return
            except OSError as error:
                self._failing, self._last_failure = True, _reason(error)
                return
            whole = self._buffer[written - 1] == 0x0A
            del self._buffer[:written]
            if not whole:
                self._give_up_torn_line()
        self._failing = False

    def flush_due(self, now_s: float) -> bool:
        """Write what is gathered, for the loop's timer; ``now_s`` is monotonic.

        Warns, at most once a minute, of lines lost and of a destination that fails. One that is slow but has lost
        nothing yet is no news. Returns whether something is left, so that the timer must be set again.
        """
        self.flush()
        self._warn_of_loss(now_s)
        return bool(self._buffer)

    def reopen(self) -> None:
        """Open the path anew, after a rotation moved the old file away; keep the old one if that fails."""
        fd = self.open_anew()
        if fd is not None:
            self.move_to(fd)

    def open_anew(self) -> int | None:
        """Return a descriptor of the path as it is now, to be moved to; None for what has no path, or can't be opened.

        The descriptor is the caller's. A failure is logged.
        """
        if self.destination == "-":
            return None
        try:
            return _open(self.destination)
        except OSError as error:
            _logger.warning("access log %s can't be reopened: %s", self.destination, _reason(error))
            return None

    def move_to(self, fd: int) -> None:
        """Write what is gathered where it belongs, and go on with ``fd``, which is this object's from now on."""
        self.flush()
        self._close_descriptor()
        self._fd = fd
        self._piece_bytes = _piece_bytes(fd)

    def close(self) -> None:
        """Write what is left, count what couldn't be, and close the destination. Closing again does nothing."""
        self.flush()
        self.dropped_lines += self._buffer.count(b"\n")
        self._buffer.clear()
        self._close_descriptor()

    def _warn_of_loss(self, now_s: float) -> None:
        lost = self.dropped_lines - self._warned_lines
        if not lost and not self._failing:
            return
        if self._warned_at_s is not None and now_s - self._warned_at_s < WARNING_INTERVAL_S:
            return
        self._warned_at_s = now_s
        self._warned_lines = self.dropped_lines
        _logger.warning("access log %s: %s; lines lost: %d", self.destination, self._last_failure, lost)

    def _short_line(
        self, client: bytes, head: bytes, status: int, body_bytes: int, when_s: float, duration_s: float
    ) -> bytes:
        """Make a line that can be written in one piece, by halving what the client sent until it fits."""
        fields = RequestFields.of(head)
        keep_bytes = self._piece_bytes
        while True:
            keep_bytes //= 2
            reply = self._format.write_reply(fields.cut(keep_bytes), status, body_bytes)
            line = self._format.line(client, reply, when_s, duration_s)
            if len(line) <= self._piece_bytes:
                return line

    def _give_up_torn_line(self) -> None:
        """Drop the rest of a line of which a part was written, as on a disk that was full in its midst.

        Written later it would stand behind other workers' lines, as the beginning of a line that its client chose.
        The LF ends the part that was written.
        """
        del self._buffer[: self._buffer.find(b"\n")]
        self.dropped_lines += 1

    def _close_descriptor(self) -> None:
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            os.close(fd)
        except OSError as error:  # NFS and disk quotas report a failed write here
            _logger.warning("access log %s: closing failed: %s", self.destination, _reason(error))


def _open(destination: str) -> int:
    if destination != "-":
        return os.open(destination, _OPEN_FLAGS | os.O_CREAT, _MODE)
    try:
        # An open file description of its own, so that O_NONBLOCK isn't forced upon those that share standard output.
        return os.open("/proc/self/fd/1", _OPEN_FLAGS)
    except OSError:
        # A socket, another user's pipe, or no /proc: then it is.
        fd = os.dup(1)
        os.set_blocking(fd, False)
        return fd


def _piece_bytes(fd: int) -> int:
    """Return how many bytes the kernel writes to ``fd`` without letting others in between."""
    return BACKLOG_BYTES if stat.S_ISREG(os.fstat(fd).st_mode) else select.PIPE_BUF


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
