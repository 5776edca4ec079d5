"""A connection: what QUIC and HTTP/3 tell becomes requests, and replies become streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ktlsserve.http1.answer import Site, answer
from loadtests.baselines.quic.endpoint import Endpoint
from loadtests.baselines.quic.heads import reply_fields, request_of
from loadtests.baselines.quic.implementation import Implementation, is_closing
from loadtests.baselines.quic.transfers import PIECE_BYTES, Transfer, Truncated

# RFC 9114 section 8.1.
H3_INTERNAL_ERROR = 0x102
H3_MESSAGE_ERROR = 0x10E


class Connection:
    """Stands where QuicServer expects the library's QuicConnectionProtocol, and sends by its own endpoint.

    QuicServer sets the three handlers of connection identifiers, and calls what has no underscore.
    """

    _connection_id_issued_handler: Callable[[bytes], None]
    _connection_id_retired_handler: Callable[[bytes], None]
    _connection_terminated_handler: Callable[[], None]

    def __init__(self, quic: Any, implementation: Implementation, site: Site, endpoint: Endpoint) -> None:
        self._quic = quic
        self._implementation = implementation
        self._events = implementation.quic_events
        self._site = site
        self._endpoint = endpoint
        self._loop = asyncio.get_running_loop()
        self._http: Any = None
        self._transfers: dict[int, Transfer] = {}
        # Streams whose request has begun and not ended.
        self._unfinished: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: object) -> None:
        """Hear of the transport, which is the endpoint that it knows already."""

    def datagram_received(self, data: bytes, address: object) -> None:
        """Take in a datagram; what it leads to is sent at the end of the turn."""
        self._quic.receive_datagram(data, address, now=self._loop.time())
        self._process_events()
        self._endpoint.touch(self)

    def transmit(self) -> None:
        """Send what flow and congestion control allow, files as they are read, and set the timer."""
        if self._endpoint.blocked:
            self._endpoint.touch(self)
            return
        self._feed()
        while datagrams := self._quic.datagrams_to_send(now=self._loop.time()):
            self._endpoint.send(datagrams)
            if self._endpoint.blocked or not self._feed():
                break
        self._set_timer()

    def close(self) -> None:
        """Tell the client that the server ends."""
        self._drop_transfers()
        self._quic.close()
        self.transmit()
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self) -> None:
        at_s = self._quic.get_timer()
        if self._timer is not None:
            if self._timer.when() == at_s:
                return
            self._timer.cancel()
        self._timer = None if at_s is None else self._loop.call_at(at_s, self._handle_timer, at_s)

    def _handle_timer(self, at_s: float) -> None:
        self._timer = None
        # The loop's clock may be read a little before the time that it called for.
        self._quic.handle_timer(now=max(at_s, self._loop.time()))
        self._process_events()
        self.transmit()

    def _process_events(self) -> None:
        events = self._events
        while (event := self._quic.next_event()) is not None:
            if isinstance(event, events.ConnectionIdIssued):
                self._connection_id_issued_handler(event.connection_id)
            elif isinstance(event, events.ConnectionIdRetired):
                self._connection_id_retired_handler(event.connection_id)
            elif isinstance(event, events.ProtocolNegotiated):
                self._http = self._implementation.http(self._quic)
            elif isinstance(event, events.ConnectionTerminated):
                self._drop_transfers()
                self._connection_terminated_handler()
            elif isinstance(event, events.StreamReset | events.StopSendingReceived):
                self._drop(event.stream_id)
                self._unfinished.discard(event.stream_id)
            if self._http is not None:
                for http_event in self._http.handle_event(event):
                    self._process_http_event(http_event)
        if is_closing(self._quic):
            self._drop_transfers()

    def _process_http_event(self, event: Any) -> None:
        """Answer a head as soon as it is there. What follows on its stream, body and trailers, is read over."""
        events = self._implementation.http_events
        if not isinstance(event, events.HeadersReceived | events.DataReceived) or is_closing(self._quic):
            return
        stream_id = event.stream_id
        if isinstance(event, events.HeadersReceived) and stream_id not in self._unfinished:
            self._answer(stream_id, event.headers)
        if event.stream_ended:
            self._unfinished.discard(stream_id)
        else:
            self._unfinished.add(stream_id)

    def _answer(self, stream_id: int, fields: list[tuple[bytes, bytes]]) -> None:
        request = request_of(fields)
        if request is None:
            self._quic.reset_stream(stream_id, H3_MESSAGE_ERROR)
            return
        reply = answer(request, self._site, int(time.time()))
        self._http.send_headers(stream_id, reply_fields(reply.head), end_stream=not reply.body)
        if reply.body:
            self._transfers[stream_id] = Transfer(reply)

    def _feed(self) -> bool:
        """Read on where a stream has little left to send; tell whether there was anything to read."""
        fed = False
        for stream_id, transfer in list(self._transfers.items()):
            while self._implementation.unsent_bytes(self._quic, stream_id) < PIECE_BYTES:
                fed = True
                try:
                    piece = transfer.next_piece()
                except Truncated:
                    self._quic.reset_stream(stream_id, H3_INTERNAL_ERROR)
                    self._drop(stream_id)
                    break
                self._http.send_data(stream_id, piece, end_stream=transfer.finished)
                if transfer.finished:
                    self._drop(stream_id)
                    break
        return fed

    def _drop(self, stream_id: int) -> None:
        transfer = self._transfers.pop(stream_id, None)
        if transfer is not None:
            transfer.release()

    def _drop_transfers(self) -> None:
        for stream_id in list(self._transfers):
            self._drop(stream_id)
