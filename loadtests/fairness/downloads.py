"""Clients that download as fast as the server can send: ``python -m loadtests.fairness.downloads PORT PATH COUNT TLS``.

COUNT connections ask for PATH, again whenever it has come. What comes is dropped in the kernel (MSG_TRUNC, tcp(7)), so
that the client's processor is left to others; over TLS records are dropped as they are, never decrypted. On SIGTERM
the bytes received are printed, and the process ends.
"""

from __future__ import annotations

import select
import signal
import socket
import ssl
import sys

from loadtests.bench.place import HOST

# At 3 GB/s a third of a millisecond: the client that measures has its turn soon enough.
_DROP_BYTES = 1 << 20
# Asked for so often that it never ends: what is left over is dropped like the rest.
_REQUESTS = 50


def open_download(port: int, path: str, *, tls: bool) -> socket.socket:
    """Return a connection that has asked for the file."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * _REQUESTS
    sock = socket.create_connection((HOST, port))
    if not tls:
        sock.sendall(request)
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # What it downloads it throws away.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    wrapped = context.wrap_socket(sock)
    wrapped.sendall(request)
    return socket.socket(fileno=wrapped.detach())


def drop_all(connections: list[socket.socket]) -> int:
    """Receive and drop until SIGTERM, or the end of the connections; return how many bytes there were."""
    stopped = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    epoll = select.epoll()
    by_fd = {sock.fileno(): sock for sock in connections}
    buffer = bytearray(_DROP_BYTES)
    for sock in connections:
        sock.setblocking(False)
        epoll.register(sock.fileno(), select.EPOLLIN)
    received = 0
    print("downloading", flush=True)
    while not stopped and by_fd:
        for fd, _events in epoll.poll(0.1):
            count = by_fd[fd].recv_into(buffer, _DROP_BYTES, socket.MSG_TRUNC)
            received += count
            if not count:
                by_fd.pop(fd).close()
    return received


def main(arguments: list[str]) -> int:
    """Download as the module says."""
    port, path, count, tls = arguments
    connections = [open_download(int(port), path, tls=tls == "tls") for _ in range(int(count))]
    print(drop_all(connections), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
