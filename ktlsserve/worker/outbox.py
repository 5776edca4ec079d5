"""The part of a reply that hasn't been sent yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from ktlsserve.errors import FileTruncated
from ktlsserve.http1.reply import FileSlice, Reply, ServedFile
from ktlsserve.worker.residency import WINDOW_BYTES
from ktlsserve.worker.senders import Sender

# The longest plaintext of a TLS record (RFC 8446 section 5.1).
_RECORD_BYTES = 1 << 14

AtHand = Callable[[ServedFile, int, int], bool]


class Progress(Enum):
    """How far a turn of sending came."""

    DONE = auto()
    BLOCKED = auto()
    SLICE_USED = auto()
    NOT_AT_HAND = auto()


class Outbox:
    """Sends one reply over as many turns as it takes. Its head may be empty, where it has left already.

    Files are sent a window at a time, each once it is known to be in memory, or was read ahead: nothing that stands
    before it in the reply leaves sooner, so that no record lies open meanwhile. ``file_bytes`` and ``memory_bytes`` are
    what was taken of files and of the rest; who counts them sets them to 0.
    """

    __slots__ = ("_parts", "_seen_bytes", "file_bytes", "memory_bytes")

    def __init__(self, reply: Reply) -> None:
        parts = (reply.head, *reply.body) if reply.head else reply.body
        self._parts: deque[bytes | memoryview | FileSlice] = deque(parts)
        # How much of the next file may be sent without asking whether it is at hand.
        self._seen_bytes = 0
        self.file_bytes = 0
        self.memory_bytes = 0

    def send(self, sender: Sender, slice_bytes: int, at_hand: AtHand | None = None) -> Progress:
        """Send up to ``slice_bytes``; raise FileTruncated, or OSError as the socket does.

        ``at_hand`` tells of a part of a file whether it can be sent without waiting; None: all can.

        The sender is told of what follows a part, and no part is empty: a record left open by MSG_MORE is sent with the
        next part for certain, or dies with the connection.
        """
        parts = self._parts
        left = slice_bytes
        try:
            while parts:
                if left <= 0:
                    return Progress.SLICE_USED
                if self._seen_bytes < left and not self._look(at_hand, left):
                    return Progress.NOT_AT_HAND
                part = parts[0]
                if isinstance(part, FileSlice):
                    wanted = min(self._seen_bytes, left)
                    if wanted < part.count and wanted > _RECORD_BYTES:
                        # So that the next records consist of whole pages, which cost the kernel least. The rest of the
                        # slice is given up.
                        past_record_bytes = (part.offset + wanted) % _RECORD_BYTES
                        wanted -= past_record_bytes
                        left -= past_record_bytes
                    taken = self._send_file(sender, part, wanted)
                    self.file_bytes += taken
                    if taken < wanted and not sender.holds_ciphertext:
                        # The socket is full: asking again would only say so. Where it isn't, epoll tells at once.
                        return Progress.BLOCKED
                else:
                    taken = self._send_bytes(sender)
                    self.memory_bytes += taken
                left -= taken
        except BlockingIOError:
            return Progress.BLOCKED
        if sender.holds_ciphertext and sender.flush():
            return Progress.BLOCKED
        return Progress.DONE

    def _send_bytes(self, sender: Sender) -> int:
        part = self._parts[0]
        if isinstance(part, FileSlice):
            raise TypeError("a file slice isn't bytes")
        taken = sender.send(part, following_bytes=self._following_bytes())
        if taken == len(part):
            self._parts.popleft()
        else:
            self._parts[0] = memoryview(part)[taken:]
        return taken

    def _following_bytes(self) -> int:
        """Return the size of the part behind the first, 0 without one."""
        if len(self._parts) == 1:
            return 0
        part = self._parts[1]
        return part.count if isinstance(part, FileSlice) else len(part)

    def _send_file(self, sender: Sender, part: FileSlice, most_bytes: int) -> int:
        taken = sender.send_file(part.file.fd, part.offset, most_bytes)
        if not taken:
            raise FileTruncated(f"a file ends at {part.offset}, {part.count} bytes before the length announced")
        part.offset += taken
        part.count -= taken
        self._seen_bytes -= taken
        if not part.count:
            part.file.release()
            self._parts.popleft()
        return taken

    def _look(self, at_hand: AtHand | None, most_bytes: int) -> bool:
        """Look whether the next ``most_bytes`` of a file are at hand; return False where none of them is.

        Looked at are whole windows, so the next slice may find that it was looked at before.
        """
        while self._seen_bytes < most_bytes:
            window = self.window()
            if window is None:
                break
            if at_hand is not None and not at_hand(*window):
                return self._seen_bytes > 0
            self._seen_bytes += window[2]
        return True

    def window(self) -> tuple[ServedFile, int, int] | None:
        """Return the next part of a file that hasn't been looked at: file, offset and count; None where there is none.

        It is one of the file that is sent next, up to the end of the window in which it begins.
        """
        for part in self._parts:
            if isinstance(part, FileSlice):
                offset = part.offset + self._seen_bytes
                count = min(part.count - self._seen_bytes, WINDOW_BYTES - offset % WINDOW_BYTES)
                return (part.file, offset, count) if count else None
        return None

    def note_read(self) -> None:
        """Take the next window as being at hand, without asking again: it was read ahead, or can't be."""
        self._look(None, 1)

    @property
    def unsent_bytes(self) -> int:
        """How many bytes of the reply the sender hasn't taken."""
        return sum(part.count if isinstance(part, FileSlice) else len(part) for part in self._parts)

    def discard(self) -> None:
        """Release the files of what won't be sent any more."""
        while self._parts:
            part = self._parts.popleft()
            if isinstance(part, FileSlice):
                part.file.release()
