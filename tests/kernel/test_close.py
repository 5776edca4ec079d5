"""The end of a connection loses nothing: neither the last records nor close_notify, however little the client takes.

A kTLS record that TCP took only in part is dropped by shutdown and close without a word. There is one whenever the send
buffer is smaller than a record, the client takes a segment at a time, and the file is at its end.
"""

from __future__ import annotations

import re
import select
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.corpus import parse_responses
from tests.support.mutant_server import mutant
from tests.support.server import PROGRAM, Server
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import End, TlsWire, client_context, request

TRANSFERS = 200
AT_ONCE = 40
SEGMENT_BYTES = 536
WINDOW_BYTES = 2048
SEND_BUFFER_BYTES = 4096
KIB, MIB = 1024, 1024 * 1024
# One to three records, the last of them of any length.
SIZES = range(17_000, 41_000, 3_000)
# What fits into the server's send buffer and not into the client's window, and what fits into neither.
BUFFERED_BYTES = 64 * KIB
LARGE_BYTES = 24 * MIB
PATIENCE_S = 0.5
SEND_BUFFER_SETTING = Path("/proc/sys/net/ipv4/tcp_wmem")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    for size in SIZES:
        (folder / str(size)).write_bytes(content(size))
    (folder / "buffered").write_bytes(bytes(BUFFERED_BYTES))
    with (folder / "large").open("wb") as file:
        file.truncate(LARGE_BYTES)
    return folder


def content(size: int) -> bytes:
    return (b"%d bytes; " % size * size)[:size]


@pytest.fixture
def small_send_buffers() -> Iterator[None]:
    """Have every server that starts now send from small buffers."""
    before = SEND_BUFFER_SETTING.read_text()
    try:
        SEND_BUFFER_SETTING.write_text(f"{SEND_BUFFER_BYTES} {SEND_BUFFER_BYTES} {SEND_BUFFER_BYTES}")
    except PermissionError:
        pytest.skip("only root may make the kernel's send buffers small")
    yield
    SEND_BUFFER_SETTING.write_text(before)


def outcomes(folder: Path, root: Path, *, transfers: int, program: tuple[str, ...] = PROGRAM) -> Counter[str]:
    """Make the transfers, many at once, and count how they end."""
    sizes = [SIZES[number % len(SIZES)] for number in range(transfers)]
    # Patience isn't what is looked at here.
    settings = {"timeouts.handshake_s": LIMIT_S, "timeouts.send_s": LIMIT_S, "timeouts.close_s": LIMIT_S}
    counts: Counter[str] = Counter()
    with Server(folder, root, tls="kernel", settings=settings, program=program) as server:
        for start in range(0, transfers, AT_ONCE):
            counts.update(transfer_all(server, sizes[start : start + AT_ONCE]))
    return counts


def transfer_all(server: Server, sizes: list[int]) -> list[str]:
    """Fetch one file over each of so many connections, a segment from each in turn; return what became of them."""
    context = client_context(server)
    sizes_by_wire: dict[TlsWire, int] = {}
    received: dict[TlsWire, bytes] = {}
    for size in sizes:
        wire = TlsWire(server.address, context, receive_buffer_bytes=WINDOW_BYTES, max_segment_bytes=SEGMENT_BYTES)
        wire.send(request(f"/{size}", "Connection: close"))
        sizes_by_wire[wire], received[wire] = size, b""
    by_descriptor = {wire.sock.fileno(): wire for wire in sizes_by_wire}
    while by_descriptor:
        readable, _, _ = select.select(list(by_descriptor), [], [], LIMIT_S)
        assert readable, "nothing more comes"
        for descriptor in readable:
            wire = by_descriptor[descriptor]
            while data := wire.receive_now():
                received[wire] += data
            if wire.end is not None:
                del by_descriptor[descriptor]
    results = [outcome(received[wire], wire.end, size) for wire, size in sizes_by_wire.items()]
    for wire in sizes_by_wire:
        wire.close()
    return results


def outcome(stream: bytes, end: End | None, size: int) -> str:
    responses, rest = parse_responses(stream, [])
    whole = [response.body for response in responses] == [content(size)] and not rest
    return f"{'whole' if whole else 'cut'}, then {end.value if end else 'nothing'}"


@pytest.mark.usefixtures("small_send_buffers")
def test_a_close_behind_a_full_send_buffer_loses_nothing(tmp_path: Path, root: Path) -> None:
    assert outcomes(tmp_path, root, transfers=TRANSFERS) == {"whole, then close_notify": TRANSFERS}


@pytest.mark.usefixtures("small_send_buffers")
def test_a_close_that_does_not_wait_would_be_noticed(tmp_path: Path, root: Path) -> None:
    counts = outcomes(tmp_path, root, transfers=AT_ONCE, program=mutant("close without waiting"))
    assert counts["cut, then FIN"] > AT_ONCE // 4, counts


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Server]:
    settings = {"timeouts.send_s": PATIENCE_S, "timeouts.close_s": PATIENCE_S}
    with Server(tmp_path_factory.mktemp("impatient"), root, tls="kernel", settings=settings) as server:
        yield server


@pytest.mark.parametrize(
    ("path", "timeout"),
    [("/large", "send timeout in state SENDING"), ("/buffered", "close timeout in state FLUSHING")],
)
def test_a_client_that_never_reads_is_given_up(impatient: Server, path: str, timeout: str) -> None:
    (worker,) = impatient.worker_pids()
    before = processes.sockets([worker])
    with TlsWire(impatient.address, client_context(impatient), receive_buffer_bytes=WINDOW_BYTES) as wire:
        wire.send(request(path, "Connection: close"))
        impatient.wait_for_log(f"{re.escape(wire.name)}: {timeout}")
        wait_until(lambda: processes.sockets([worker]) <= before, "the descriptor given back")
        # What hasn't arrived whole doesn't look whole: no close_notify.
        wire.read_to_end()
        assert wire.end is End.RESET


def test_a_client_that_never_closes_is_given_up(impatient: Server) -> None:
    (worker,) = impatient.worker_pids()
    before = processes.sockets([worker])
    with TlsWire(impatient.address, client_context(impatient)) as wire:
        wire.send(request(f"/{SIZES[0]}", "Connection: close"))
        assert len(wire.read_to_end()) > SIZES[0]
        assert wire.end is End.CLOSE_NOTIFY
        impatient.wait_for_log(f"{re.escape(wire.name)}: close timeout in state LINGERING")
        wait_until(lambda: processes.sockets([worker]) <= before, "the descriptor given back")
