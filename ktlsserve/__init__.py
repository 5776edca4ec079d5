"""ktlsserve: static HTTPS whose bytes are encrypted by the Linux kernel.

The way of a byte is the order of the packages: ``tls`` makes the keys, ``kernel`` takes them, ``http1`` reads the
request and writes the head of the reply, ``files`` opens what is asked for, ``worker`` sends it; ``supervisor`` keeps
the workers, and ``observe`` tells what happened.
"""

__version__ = "0.1.0"
