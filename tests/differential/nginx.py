"""Debian's nginx as a process of the test's own, with nothing of the machine's configuration.

Its listening socket is made here and handed over in the way that nginx hands sockets to a new binary (the environment
variable NGINX). So the port is free for certain, and connections wait in the socket's queue until nginx takes them.
(Only a master takes them: without one, nginx 1.22 crashes on a socket that was handed over.)
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import processes
from tests.support.waiting import LIMIT_S

# What is left out here is as Debian's nginx does by itself, apart from what names the machine's own files. Media types
# are those of the other server: they are anybody's choice. So is whether a Location is absolute.
_CONFIGURATION = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ {types} }}
    default_type application/octet-stream;
    charset utf-8;
    charset_types text/css text/plain text/javascript;
    sendfile on;
    keepalive_requests 1000000;
    keepalive_timeout 600s;
    absolute_redirect off;
    gzip_static on;
    gzip_vary on;
    gzip_http_version 1.0;
    gzip_proxied any;
    server {{
        listen {address}:{port};
        server_name localhost;
        root {root};
        index index.html;
    }}
}}
"""
_TYPES = {
    "text/html": "html",
    "text/plain": "txt",
    "text/css": "css",
    "text/javascript": "js",
    "application/gzip": "gz",
}


def nginx_version(program: str) -> str:
    """Return what the program says of its version, e.g. 1.22.1."""
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    return said.strip().rpartition("/")[2]


class Nginx:
    """A running nginx that serves ``root``; ``folder`` is made for what it writes. To be used in a ``with`` block."""

    def __init__(self, program: str, folder: Path, root: Path) -> None:
        folder.mkdir()
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
            listener.setblocking(False)
            self.address: tuple[str, int] = listener.getsockname()
            types = " ".join(f"{name} {extension};" for name, extension in _TYPES.items())
            address, port = self.address
            # The worker of a root's nginx would change to a user who can't see the test's folder.
            user = "" if os.geteuid() else "user root;"
            text = _CONFIGURATION.format(folder=folder, root=root, types=types, address=address, port=port, user=user)
            (folder / "nginx.conf").write_text(text, encoding="utf-8")
            with (folder / "said").open("wb") as said:
                self.process = subprocess.Popen(
                    [program, "-e", folder / "error.log", "-p", folder, "-c", folder / "nginx.conf"],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    pass_fds=[listener.fileno()],
                    env={**os.environ, "NGINX": f"{listener.fileno()};"},
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = self.process.poll()
        if ended is None:
            workers = processes.children(self.process.pid)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                for pid in (self.process.pid, *workers):
                    os.kill(pid, signal.SIGKILL)
                self.process.wait()
                raise
        assert ended is None, f"nginx ended by itself, with status {ended}:\n{self.said()}"

    def said(self) -> str:
        """Return what it has written, to its log and else."""
        files = (self.folder / "said", self.folder / "error.log")
        return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists())
