"""nginx over HTTP/3: which one is there, and how it is configured.

An installed nginx counts if HTTP/3 was compiled in (Debian's from 13 on); otherwise Debian 13's is run out of the cache
(see debian).
"""

from __future__ import annotations

import subprocess
from functools import cache

from loadtests.baselines import debian
from loadtests.bench import configurations
from loadtests.bench.launch import Launch
from loadtests.bench.peers import find
from loadtests.bench.place import Place

_MODULE = "--with-http_v3_module"
# Measured on 64 MiB: from 64 KiB to 256 KiB the cost falls a little, with 1 MiB it rises where segmentation is off.
# Files are read in as large pieces: two of 32 KiB, the default, halve the rate.
_BUFFERS = "http3_stream_buffer_size 256k; output_buffers 2 256k;"
# The usual receive buffer of 208 KiB drops acknowledgements; net.core.rmem_max caps this one.
_SOCKET_BUFFERS = "rcvbuf=4m sndbuf=4m"


def missing() -> str | None:
    """Say what to do where no nginx with HTTP/3 is there."""
    if _found() is not None:
        return None
    return (
        "nginx with HTTP/3 isn't installed: apt-get install nginx on Debian 13, or fetch Debian 13's into the cache: "
        "python -m loadtests.baselines --fetch"
    )


def version() -> str:
    """Return what nginx says of itself."""
    lines = _says(_found() or ["nginx"], "-v").splitlines()
    return lines[0] if lines else "unknown"


def launch(place: Place, *, gso: bool) -> Launch:
    """Write nginx.conf and return the command."""
    config = place.folder / "nginx.conf"
    config.write_text(configuration(place, gso=gso), encoding="utf-8")
    # -e: otherwise it complains about Debian's own log before it has read the configuration.
    return Launch([*(_found() or ["nginx"]), "-e", "stderr", "-p", str(place.folder), "-c", str(config)])


def configuration(place: Place, *, gso: bool) -> str:
    """Return nginx.conf for HTTP/3 alone; QUIC encrypts in userspace, so sendfile has nothing to save."""
    server = [
        f"listen {place.authority} quic {_SOCKET_BUFFERS};",
        *configurations.nginx_certificate(place),
        "ssl_protocols TLSv1.3; http3 on;",
        f"quic_gso {'on' if gso else 'off'};",
        _BUFFERS,
    ]
    return configurations.nginx_file(place, ["sendfile off; access_log off;"], server)


def _found() -> list[str] | None:
    installed = find("nginx")
    if installed is not None and has_http3(installed):
        return [installed]
    folder = debian.unpacked()
    return None if folder is None else debian.command(folder, "usr/sbin/nginx")


@cache
def has_http3(program: str) -> bool:
    """Tell whether HTTP/3 was compiled into an nginx."""
    return _MODULE in _says([program], "-V").split()


def _says(command: list[str], option: str) -> str:
    try:
        done = subprocess.run([*command, option], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout + done.stderr
