"""Configuration files of the servers that need one.

Each serves the tree by sendfile where it can, with one worker, without an access log unless asked for, and never ends
a keep-alive connection on its own while a run lasts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from loadtests.bench.place import Place
from loadtests.bench.workloads import Mode

# 0 would mean no keep-alive at all; the setting has 16 bits.
_LIGHTTPD_MOST_REQUESTS = 65535
_NGINX_FILE_CACHE = "open_file_cache max=1000 inactive=60s;"


def nginx(place: Place, *, file_cache: bool = False, access_log: bool = False) -> str:
    """Return nginx.conf for one worker with sendfile and tcp_nopush."""
    server = [f"listen {place.authority}{' ssl' if place.encrypted else ''};"]
    if place.encrypted:
        # nginx 1.22 ends at TLS 1.2 unless told otherwise.
        server += [*nginx_certificate(place), "ssl_protocols TLSv1.2 TLSv1.3;"]
    if place.mode is Mode.KERNEL:
        server.append("ssl_conf_command Options KTLS;")
    settings = ["sendfile on; tcp_nopush on;"]
    if file_cache:
        settings.append(_NGINX_FILE_CACHE)
    settings.append(f"access_log {place.folder}/access.log;" if access_log else "access_log off;")
    return nginx_file(place, settings, server)


def nginx_certificate(place: Place) -> list[str]:
    """Return the directives that name certificate and key."""
    return [f"ssl_certificate {place.pem};", f"ssl_certificate_key {place.key_file};"]


def nginx_file(place: Place, settings: Sequence[str], server: Sequence[str]) -> str:
    """Return nginx.conf for one worker and one server, given the settings of ``http`` and those of ``server``."""
    temporary = [
        f"{name}_temp_path {place.folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    ]
    return "\n".join(
        [
            # Started by root it would become nobody, who can't enter our temporary folders.
            *(["user root;"] if os.geteuid() == 0 else []),
            f"daemon off; worker_processes 1; pid {place.folder}/pid;",
            "events { worker_connections 4096; }",
            "http {",
            "keepalive_requests 100000000;",
            "default_type application/octet-stream;",
            *settings,
            *temporary,
            f"server {{ root {place.tree}; {' '.join(server)} }}",
            "}",
            "",
        ]
    )


def lighttpd(place: Place) -> str:
    """Return lighttpd.conf with sendfile; in userspace mode kernel TLS, its default, is switched off."""
    lines = [
        f'server.bind = "{place.address}"',
        f"server.port = {place.port}",
        f'server.document-root = "{place.tree}"',
        f'server.upload-dirs = ("{place.folder}")',
        'server.network-backend = "sendfile"',
        "server.max-fds = 8192",
        f"server.max-keep-alive-requests = {_LIGHTTPD_MOST_REQUESTS}",
        "server.max-keep-alive-idle = 60",
        'mimetype.assign = ("" => "application/octet-stream")',
    ]
    if place.encrypted:
        option = "KTLS" if place.mode is Mode.KERNEL else "-KTLS"
        lines += [
            'server.modules = ("mod_openssl")',
            'ssl.engine = "enable"',
            f'ssl.pemfile = "{place.pem}"',
            f'ssl.privkey = "{place.key_file}"',
            f'ssl.openssl.ssl-conf-cmd = ("Options" => "{option}")',
        ]
    return "\n".join([*lines, ""])


def caddy(place: Place, *, protocol: str = "h1") -> str:
    """Return a Caddyfile for one protocol with our certificate, without Caddy's own administration and storage."""
    tls = [f"tls {place.pem} {place.key_file}"] if place.encrypted else []
    return "\n".join(
        [
            "{",
            "admin off",
            "auto_https off",
            "default_sni localhost",
            f"storage file_system {place.folder}/storage",
            "log {\nlevel ERROR\n}",
            f"servers {{\nprotocols {protocol}\n}}",
            "}",
            f"{'https' if place.encrypted else 'http'}://{place.authority} {{",
            f"bind {place.address}",
            f"root * {place.tree}",
            "file_server",
            *tls,
            "}",
            "",
        ]
    )
