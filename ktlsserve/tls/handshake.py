"""A server-side TLS handshake over bytes, up to the point where the kernel can take over.

Theory of operation
-------------------
OpenSSL runs the handshake between two memory BIOs: feed, act, drain, after every step. When it is done, four things
must be known exactly, or the connection is worthless or worse:

* the traffic secrets of both directions: from the key-log callback in TLS 1.3, from the master secret in TLS 1.2;
* ``tx.rec_seq``: how many records OpenSSL has already protected with the *sending* application key. Too low, and the
  kernel repeats a nonce, which gives away the key of GCM's authentication and the XOR of two plaintexts; too high, and
  the peer rejects everything. In TLS 1.3 these are the NewSessionTickets that the last step put out (two by default,
  one after a resumption, and never a number to be assumed); in TLS 1.2 everything after the server's ChangeCipherSpec,
  which is Finished;
* ``rx.rec_seq``: the same for records of the client. 0 in TLS 1.3, because its Finished is under the handshake key and
  ``wanted`` never reads past it; in TLS 1.2 what followed the client's ChangeCipherSpec;
* that no byte of the stream is left in userspace: with ``exact`` reading, ``wanted`` says how many bytes may be read
  next, and never more than the rest of one record. One thing more is certain: after each flight of the server's the
  client has a Finished to send before anything else, so as many bytes as the shortest one has may be read at once.
  Where OpenSSL keeps decrypting, reading may be greedy.

Records are counted when the handshake is done, from what was sent and received, and only where the keys are wanted.

After the hand-over of the sending side the OpenSSL object must never write again: whatever it wrote would repeat the
kernel's nonces, and would be encrypted twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from OpenSSL import SSL

from ktlsserve.errors import HandshakeError
from ktlsserve.tls.client_certificates import ClientCertificate, peer_certificate
from ktlsserve.tls.client_hello import HelloReader
from ktlsserve.tls.context import CapturedSecrets, NoCommonProtocol, ServerContext
from ktlsserve.tls.crypto_info import TrafficKeys
from ktlsserve.tls.key_schedule import tls12_traffic_keys, tls13_traffic_keys
from ktlsserve.tls.openssl_extra import continue_handshake, give_input, input_bytes, session_reused, take_output
from ktlsserve.tls.records import HANDSHAKE, HEADER_BYTES, LEAST_FINISHED_BYTES, RecordCounter, RecordReader
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME, Suite, TlsVersion

GREEDY_READ_BYTES = 65536

# How versions 1 and 2 of the PROXY protocol begin.
_PROXY_HEADERS = (b"PROXY", b"\r\n\r\n\0")
# What a browser that was given http:// for a TLS port shows, in words; the same courtesy as nginx's and Caddy's.
_PLAIN_HTTP_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"OPTIO", b"DELET", b"PATCH", b"TRACE", b"CONNE")
_PLAIN_HTTP_BODY = b"This port speaks HTTPS: use https:// in the address.\n"
_PLAIN_HTTP_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: "
    + str(len(_PLAIN_HTTP_BODY)).encode("ascii")
    + b"\r\n\r\n"
    + _PLAIN_HTTP_BODY
)


@dataclass(frozen=True, slots=True, repr=False)
class DirectionKeys:
    """Keys of one direction, and the secret that the next ones come from (None in TLS 1.2, which never re-keys)."""

    keys: TrafficKeys
    secret: bytes | None
    rec_seq: int


@dataclass(frozen=True, slots=True, repr=False)
class Established:
    """A finished handshake. ``tx`` and ``rx`` are None where the policy doesn't capture secrets.

    ``client`` is the certificate that the client has shown, None where it wasn't asked or has none.
    """

    suite: Suite
    group: str
    server_name: str
    resumed: bool
    tx: DirectionKeys | None
    rx: DirectionKeys | None
    client: ClientCertificate | None = None


class Handshake:
    """One connection's handshake: ``receive_data``, then ``data_to_send``, until ``established`` is set.

    ``connection`` is the OpenSSL object; ``exact`` makes ``wanted`` stop at each record's end; ``now_s`` is the time
    since the epoch. ``receive_data`` raises HandshakeError when it can't go on; ``data_to_send`` then still has the
    alert for the peer.
    """

    __slots__ = (
        "_asks_client",
        "_capture",
        "_first",
        "_hello",
        "_inbound",
        "_max_bytes",
        "_now_s",
        "_outbound",
        "_output",
        "_reader",
        "_received",
        "connection",
        "established",
    )

    def __init__(self, context: ServerContext, *, max_bytes: int, exact: bool, now_s: float) -> None:
        self.connection = context.new_connection()
        self.established: Established | None = None
        self._capture = context.policy.capture_secrets
        self._asks_client = context.policy.clients is not None
        self._now_s = now_s
        self._reader = RecordReader() if exact else None
        self._max_bytes = max_bytes
        self._received = 0
        self._first = b""
        self._output = b""
        # What must be known of the stream for the kernel: all of it in both directions, and the ClientHello.
        self._inbound: list[bytes] = []
        self._outbound: list[bytes] = []
        self._hello = HelloReader() if self._capture else None

    @property
    def wanted(self) -> int:
        """How many bytes may be read from the connection next, at most."""
        if self._reader is not None:
            return self._reader.wanted
        # What the client sends right behind its Finished is no part of the handshake, and must not count as if it were.
        return min(GREEDY_READ_BYTES, self._max_bytes + 1 - self._received)

    @property
    def wants_small_records(self) -> bool:
        """Whether the client negotiates records smaller than those that the kernel makes."""
        return self._hello is not None and bool(self._hello.wants_small_records)

    def data_to_send(self) -> bytes:
        """Return what must go to the peer, in clear on the socket, before anything else happens."""
        data, self._output = self._output, b""
        return data

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer (at most ``wanted``) and go on as far as they allow."""
        self._received += len(data)
        self._check_first_bytes(data)
        record = data if self._reader is None else self._reader.receive_data(data)
        if record is not None:
            self._step(record)
        # What a greedy read brought beyond the end of the handshake isn't part of it.
        if self.established is None and self._received > self._max_bytes:
            raise HandshakeError(f"the handshake is larger than {self._max_bytes} bytes")

    def _check_first_bytes(self, data: bytes) -> None:
        if len(self._first) >= HEADER_BYTES:
            return
        self._first = (self._first + data)[:HEADER_BYTES]
        if self._first[0] == HANDSHAKE:
            return
        if len(self._first) < HEADER_BYTES and any(
            known.startswith(self._first) for known in (*_PLAIN_HTTP_METHODS, *_PROXY_HEADERS)
        ):
            return
        if self._first.startswith(_PLAIN_HTTP_METHODS):
            self._output += _PLAIN_HTTP_ANSWER
            raise HandshakeError("plain HTTP on a TLS port")
        if self._first in _PROXY_HEADERS:
            raise HandshakeError("a PROXY header where server.proxy_protocol expects none")
        raise HandshakeError("not a TLS record")

    def _step(self, data: bytes) -> None:
        connection = self.connection
        if self._hello is not None:
            self._inbound.append(data)
            self._hello.receive_data(data)
        give_input(connection, data)
        try:
            finished = continue_handshake(connection)
        except NoCommonProtocol as error:
            self._take_flight()
            raise HandshakeError(str(error)) from error
        except SSL.Error as error:
            self._take_flight()
            captured: CapturedSecrets | None = connection.get_app_data()
            refusal = captured.refusal if captured is not None else ""
            reason = f"client certificate refused: {refusal}" if refusal else describe_openssl_error(error)
            raise HandshakeError(reason) from error
        flight = self._take_flight()
        if finished:
            self._finish(flight)
        elif flight and self._reader is not None:
            self._reader.expect(LEAST_FINISHED_BYTES)

    def _take_flight(self) -> bytes:
        """Move what OpenSSL wrote to the output; return it too."""
        flight = take_output(self.connection)
        if self._capture:
            self._outbound.append(flight)
        self._output += flight
        return flight

    def _finish(self, last_flight: bytes) -> None:
        connection = self.connection
        suite = SUITE_BY_OPENSSL_NAME[connection.get_cipher_name() or ""]
        tx = rx = None
        if self._capture:
            self._require_nothing_behind()
            tls13 = suite.version is TlsVersion.TLS1_3
            secrets = connection.get_app_data()
            tx, rx = self._tls13_keys(suite, last_flight, secrets) if tls13 else self._tls12_keys(suite)
        client = self._client() if self._asks_client else None
        if self._capture or self._asks_client:
            # The hand-over needs the keys; nothing else keeps them.
            connection.set_app_data(None)
        self.established = Established(
            suite=suite,
            group=connection.get_group_name() or "",
            server_name=(connection.get_servername() or b"").decode("ascii", "replace"),
            resumed=session_reused(connection),
            tx=tx,
            rx=rx,
            client=client,
        )

    def _client(self) -> ClientCertificate | None:
        """Return the client's certificate; that of a resumed session may have ended since it was verified."""
        client = peer_certificate(self.connection)
        if client is not None and client.not_after_s < self._now_s:
            # Without the tickets that it would come back with.
            self._output = b""
            raise HandshakeError(
                f"client certificate refused: it has expired since its session began ({client.subject})"
            )
        return client

    def _require_nothing_behind(self) -> None:
        """Refuse a hand-over to a kernel that could not decrypt what was read already."""
        if self._reader is not None and (self._reader.partial_bytes or input_bytes(self.connection)):
            raise HandshakeError("bytes behind the handshake were read with it")

    @staticmethod
    def _tls13_keys(
        suite: Suite, last_flight: bytes, secrets: CapturedSecrets | None
    ) -> tuple[DirectionKeys, DirectionKeys]:
        if secrets is not None and secrets.failure is not None:
            raise HandshakeError("the key log could not be read") from secrets.failure
        if secrets is None or secrets.server is None or secrets.client is None:
            raise HandshakeError("OpenSSL finished a handshake without logging its secrets")
        tickets = RecordCounter()
        tickets.receive_data(last_flight)
        return (
            DirectionKeys(tls13_traffic_keys(suite, secrets.server), secrets.server, tickets.application_data),
            DirectionKeys(tls13_traffic_keys(suite, secrets.client), secrets.client, 0),
        )

    def _tls12_keys(self, suite: Suite) -> tuple[DirectionKeys, DirectionKeys]:
        connection = self.connection
        master_secret = connection.master_key()
        client_random, server_random = connection.client_random(), connection.server_random()
        if master_secret is None or client_random is None or server_random is None:
            raise HandshakeError("OpenSSL finished a handshake without a master secret")
        client, server = tls12_traffic_keys(suite, master_secret, client_random, server_random)
        return (
            DirectionKeys(server, None, _after_change_cipher_spec(self._outbound)),
            DirectionKeys(client, None, _after_change_cipher_spec(self._inbound)),
        )


def _after_change_cipher_spec(pieces: list[bytes]) -> int:
    counter = RecordCounter()
    counter.receive_data(b"".join(pieces))
    return counter.after_change_cipher_spec


def describe_openssl_error(error: SSL.Error) -> str:
    """Say in a few words what OpenSSL found, for the log."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = [reason for _library, _function, reason in queue if reason]
    return ", ".join(reasons) or type(error).__name__
