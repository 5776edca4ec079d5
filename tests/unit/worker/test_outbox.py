from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field

import pytest

from ktlsserve.errors import FileTruncated
from ktlsserve.http1.reply import FileSlice, Reply
from ktlsserve.observe.counters import OPEN_OFF, SENT_FILE_OFF, SENT_MEMORY_OFF
from ktlsserve.worker.outbox import Outbox, Progress
from tests.support.memory_site import MemoryFile, memory_file

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
SLICE_BYTES = 1000


@dataclass
class ScriptedSender:
    """A fake sender: takes what the script says, everything when it has ended, and writes down what it was told.

    An entry of ``takes`` is a number of bytes, or None for EAGAIN. ``held`` are the results of flush.
    """

    files: list[MemoryFile] = field(default_factory=list)
    takes: deque[int | None] = field(default_factory=deque)
    held: deque[int] = field(default_factory=deque)
    holds_ciphertext: bool = False
    held_bytes: int = 0
    worn_out: bool = False
    memory_cell: int = SENT_MEMORY_OFF
    file_cell: int = SENT_FILE_OFF
    open_cell: int = OPEN_OFF
    sent: bytes = b""
    following: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def send(self, data: bytes | memoryview, *, following_bytes: int) -> int:
        assert len(data), "nothing is sent with nothing in it"
        taken = self._taken(len(data))
        self.sent += bytes(data[:taken])
        self.following.append(following_bytes)
        self.sizes.append(len(data))
        return taken

    def send_file(self, fd: int, offset: int, count: int) -> int:
        assert count, "sendfile of nothing doesn't flush"
        assert len(self.sizes) < 1000, "it is asked again and again"
        content = self.files[fd].content[offset : offset + count]
        taken = self._taken(len(content))
        self.sent += content[:taken]
        self.sizes.append(count)
        return taken

    def send_close_notify(self) -> None:
        raise AssertionError("the outbox closes nothing")

    def flush(self) -> int:
        return self.held.popleft() if self.held else 0

    def _taken(self, count: int) -> int:
        take = self.takes.popleft() if self.takes else count
        if take is None:
            raise BlockingIOError
        return min(take, count)


def open_file(number: int, content: bytes) -> MemoryFile:
    file = memory_file(content)
    file.fd = number
    return file


def reply(*body: bytes | FileSlice, head: bytes = HEAD) -> Reply:
    size = sum(part.count if isinstance(part, FileSlice) else len(part) for part in body)
    return Reply(200, head, body, close=False, body_bytes=size)


def send_all(outbox: Outbox, sender: ScriptedSender, slice_bytes: int = SLICE_BYTES) -> list[Progress]:
    turns: list[Progress] = []
    while Progress.DONE not in turns:
        assert len(turns) < 1000, "no end"
        turns.append(outbox.send(sender, slice_bytes))
    return turns


# MSG_MORE.


def test_a_reply_of_its_head_alone_leaves_at_once() -> None:
    sender = ScriptedSender()
    assert Outbox(reply()).send(sender, SLICE_BYTES) is Progress.DONE
    assert (sender.sent, sender.following) == (HEAD, [0])


def test_what_follows_is_promised_and_nothing_else() -> None:
    sender = ScriptedSender()
    outbox = Outbox(reply(b"one", b"two", b"three"))
    assert outbox.send(sender, SLICE_BYTES) is Progress.DONE
    assert sender.sent == HEAD + b"onetwothree"
    assert sender.following == [3, 3, 5, 0]


def test_a_file_that_follows_is_promised_whole() -> None:
    file = open_file(0, b"content")
    sender = ScriptedSender([file])
    assert Outbox(reply(FileSlice(file, 0, 7))).send(sender, SLICE_BYTES) is Progress.DONE
    assert (sender.sent, sender.following) == (HEAD + b"content", [7])


def test_a_trailer_behind_a_file_promises_nothing() -> None:
    file = open_file(0, b"content")
    sender = ScriptedSender([file])
    outbox = Outbox(reply(b"--part\r\n", FileSlice(file, 0, 7), b"--end\r\n"))
    assert outbox.send(sender, SLICE_BYTES) is Progress.DONE
    assert sender.sent == HEAD + b"--part\r\ncontent--end\r\n"
    assert sender.following == [8, 7, 0]


def test_a_head_taken_in_parts_promises_the_same_each_time() -> None:
    for body, promised in (((), [0] * 3), ((b"body",), [4] * 3 + [0])):
        sender = ScriptedSender(takes=deque([5, 5]))
        assert Outbox(reply(*body)).send(sender, SLICE_BYTES) is Progress.DONE
        assert sender.following == promised
        assert sender.sent == HEAD + b"".join(body)


def test_a_head_that_has_left_already_is_not_sent() -> None:
    file = open_file(0, b"content")
    sender = ScriptedSender([file])
    assert Outbox(reply(FileSlice(file, 0, 7), head=b"")).send(sender, SLICE_BYTES) is Progress.DONE
    assert (sender.sent, sender.following) == (b"content", [])
    assert Outbox(reply(head=b"")).send(sender, SLICE_BYTES) is Progress.DONE


# Parts and turns.


def test_what_was_not_taken_is_sent_on() -> None:
    file = open_file(0, bytes(range(100)))
    sender = ScriptedSender([file], takes=deque([3, None, 1, 7, None, 2, None, 50]))
    outbox = Outbox(reply(b"body", FileSlice(file, 10, 80)))
    turns = send_all(outbox, sender)
    assert sender.sent == HEAD + b"body" + bytes(range(10, 90))
    assert turns == [Progress.BLOCKED] * 3 + [Progress.DONE]
    assert file.uses == 0


def test_a_turn_takes_its_slice_of_a_file() -> None:
    file = open_file(0, bytes(2500))
    sender = ScriptedSender([file])
    outbox = Outbox(reply(FileSlice(file, 0, 2500)))
    turns = send_all(outbox, sender)
    # The head counts too: 981 bytes of the file in the first turn.
    assert sender.sizes == [len(HEAD), 1000 - len(HEAD), 1000, 500 + len(HEAD)]
    assert turns == [Progress.SLICE_USED, Progress.SLICE_USED, Progress.DONE]


@pytest.mark.parametrize("offset", [0, 1, 5000, 16383, 16384])
def test_slices_end_where_a_record_of_the_file_does(offset: int) -> None:
    content = os.urandom(300_000)
    file = open_file(0, content)
    sender = ScriptedSender([file])
    outbox = Outbox(reply(FileSlice(file, offset, 300_000 - offset)))
    assert send_all(outbox, sender, 65536)[-1] is Progress.DONE
    assert sender.sent == HEAD + content[offset:]
    ends = [offset + sum(sender.sizes[1 : count + 1]) for count in range(1, len(sender.sizes))]
    assert ends[-1] == 300_000
    assert [end % 16384 for end in ends[:-1]] == [0] * (len(ends) - 1)
    assert max(sender.sizes) <= 65536
    # No more turns than slices of the least size need.
    assert len(ends) <= 300_000 // (65536 - 16384) + 1


def test_a_slice_shorter_than_a_record_is_used_whole() -> None:
    file = open_file(0, bytes(50_000))
    sender = ScriptedSender([file])
    send_all(Outbox(reply(FileSlice(file, 0, 50_000), head=b"")), sender, 10_000)
    assert sender.sizes == [10_000] * 5


def test_the_last_byte_of_a_slice_may_be_the_last_of_the_reply() -> None:
    file = open_file(0, bytes(1000 - len(HEAD)))
    sender = ScriptedSender([file])
    outbox = Outbox(reply(FileSlice(file, 0, 1000 - len(HEAD))))
    assert send_all(outbox, sender) == [Progress.DONE]


def test_many_parts_are_cut_into_slices_too() -> None:
    files = [open_file(number, bytes([number]) * 400) for number in range(5)]
    sender = ScriptedSender(files)
    outbox = Outbox(reply(*(FileSlice(file, 0, 400) for file in files)))
    turns = send_all(outbox, sender)
    assert sender.sent == HEAD + b"".join(file.content for file in files)
    assert len(turns) == 3
    assert max(sender.sizes) <= SLICE_BYTES


def test_what_is_unsent_is_told() -> None:
    file = open_file(0, bytes(100))
    sender = ScriptedSender([file], takes=deque([5, None, 14, 3, 40]))
    outbox = Outbox(reply(b"abc", FileSlice(file, 0, 100)))
    unsent = [outbox.unsent_bytes]
    for _ in range(3):
        outbox.send(sender, SLICE_BYTES)
        unsent.append(outbox.unsent_bytes)
    assert unsent == [122, 117, 60, 0]


def test_a_socket_that_took_less_is_not_asked_again_at_once() -> None:
    file = open_file(0, bytes(100))
    sender = ScriptedSender([file], takes=deque([len(HEAD), 60]))
    assert Outbox(reply(FileSlice(file, 0, 100))).send(sender, SLICE_BYTES) is Progress.BLOCKED
    assert len(sender.sizes) == 2


def test_a_sender_that_encrypts_takes_less_than_it_is_asked_for() -> None:
    file = open_file(0, bytes(100))
    sender = ScriptedSender([file], takes=deque([len(HEAD), 60]), holds_ciphertext=True)
    assert Outbox(reply(FileSlice(file, 0, 100))).send(sender, SLICE_BYTES) is Progress.DONE


# A sender that keeps ciphertext.


def test_a_reply_is_sent_when_its_ciphertext_has_left() -> None:
    sender = ScriptedSender(holds_ciphertext=True, held=deque([500, 20, 0]))
    outbox = Outbox(reply(b"body"))
    assert [outbox.send(sender, SLICE_BYTES) for _ in range(3)] == [Progress.BLOCKED, Progress.BLOCKED, Progress.DONE]
    assert sender.sent == HEAD + b"body"


def test_the_kernels_sender_is_not_asked() -> None:
    sender = ScriptedSender(held=deque([500]))
    assert Outbox(reply()).send(sender, SLICE_BYTES) is Progress.DONE
    assert sender.held == deque([500])


# Files.


def test_a_truncated_file_is_an_error() -> None:
    file = open_file(0, bytes(50))
    sender = ScriptedSender([file])
    outbox = Outbox(reply(FileSlice(file, 0, 80)))
    # Less than was asked for may as well be a full socket.
    assert outbox.send(sender, SLICE_BYTES) is Progress.BLOCKED
    with pytest.raises(FileTruncated, match="a file ends at 50, 30 bytes before the length announced"):
        outbox.send(sender, SLICE_BYTES)
    # Whoever ends the connection gives the file up, once.
    assert file.uses == 1
    outbox.discard()
    assert file.uses == 0


def test_each_slice_gives_its_use_up_when_it_is_sent() -> None:
    file = open_file(0, bytes(100))
    file.retain()
    sender = ScriptedSender([file], takes=deque([len(HEAD), 50, 5]))
    outbox = Outbox(reply(FileSlice(file, 0, 50), FileSlice(file, 50, 50)))
    assert outbox.send(sender, SLICE_BYTES) is Progress.BLOCKED
    assert file.uses == 1
    assert outbox.send(sender, SLICE_BYTES) is Progress.DONE
    assert file.uses == 0


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_what_is_given_up_is_released_once_and_for_all(turns: int) -> None:
    files = [open_file(number, bytes(900)) for number in range(2)]
    sender = ScriptedSender(files)
    outbox = Outbox(reply(b"head", *(FileSlice(file, 0, 900) for file in files)))
    for _ in range(turns):
        outbox.send(sender, 700)
    outbox.discard()
    assert [file.uses for file in files] == [0, 0]
    outbox.discard()
    assert outbox.unsent_bytes == 0


def test_errors_of_the_socket_are_the_callers() -> None:
    class Broken(ScriptedSender):
        def send(self, data: bytes | memoryview, *, following_bytes: int) -> int:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        Outbox(reply()).send(Broken(), SLICE_BYTES)
