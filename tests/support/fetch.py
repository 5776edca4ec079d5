"""Fetches paths one after another over one connection: python fetch.py URL CA-FILE VERSION CIPHERS PATH...

Prints {"connections": N, "files": {PATH: {"status", "size", "sha256"}}}; VERSION ("1.2", "1.3")
and CIPHERS (of TLS 1.2) may be empty.
"""

import hashlib
import http.client
import json
import ssl
import sys
from urllib.parse import urlsplit

READ_BYTES = 1 << 16
TIMEOUT_S = 120.0


def main(url: str, ca_file: str, version: str, ciphers: str, *paths: str) -> None:
    """Fetch and report."""
    files = {}
    ports = set()
    connection = connect(url, ca_file, version, ciphers)
    for path in paths:
        connection.request("GET", path)
        ports.add(connection.sock.getsockname())
        reply = connection.getresponse()
        digest, size = hashlib.sha256(), 0
        while piece := reply.read(READ_BYTES):
            digest.update(piece)
            size += len(piece)
        files[path] = {"status": reply.status, "size": size, "sha256": digest.hexdigest()}
    connection.close()
    print(json.dumps({"connections": len(ports), "files": files}))


def connect(url: str, ca_file: str, version: str, ciphers: str) -> http.client.HTTPConnection:
    """Make a connection for the URL's scheme; nothing is sent yet."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca_file)
    if version:
        context.minimum_version = context.maximum_version = ssl.TLSVersion[f"TLSv{version.replace('.', '_')}"]
    if ciphers:
        context.set_ciphers(ciphers)
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)


if __name__ == "__main__":
    main(*sys.argv[1:])
