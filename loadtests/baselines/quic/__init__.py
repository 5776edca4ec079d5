"""An HTTP/3 server of static files in Python, on aioquic or on qh3: what QUIC costs where only PyPI is at hand.

What a request means (paths, conditions, ranges, media types) is decided by ktlsserve's own core, and QUIC and HTTP/3
are the library's. What is left is here: the UDP socket, batches for the kernel to segment, and files read as they can
be sent.
"""
