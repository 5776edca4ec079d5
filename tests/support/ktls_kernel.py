"""Whether the kernel that runs these tests has kTLS, found out by asking it; independent of the product's own probe."""

import errno
import functools
import os
import platform
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

SOL_TLS = 282
TCP_ULP = 31


@functools.cache
def missing_kernel_tls() -> str | None:
    """Say what was probed and what is missing, or None where this kernel has kTLS.

    As root the module is loaded if need be: without it the kernel looks as if it had no kTLS.
    """
    reason = _attach_reason()
    if reason is not None and os.geteuid() == 0:
        subprocess.run(["/sbin/modprobe", "tls"], capture_output=True, check=False)
        reason = _attach_reason()
    return reason


def required() -> bool:
    """Tell whether a missing kTLS kernel is a failure: KTLSSERVE_REQUIRE_KTLS=1, set where it must not be missing."""
    return os.environ.get("KTLSSERVE_REQUIRE_KTLS") == "1"


@contextmanager
def loopback_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a TCP connection over 127.0.0.1, blocking, with a time limit against hanging."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as near:
        far, _ = listener.accept()
        with far:
            for end in (near, far):
                end.settimeout(30)
            yield near, far


def _attach_reason() -> str | None:
    with loopback_pair() as (near, _):
        try:
            near.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, str(error.errno))
            return (
                f"kernel {platform.release()} has no kTLS: setsockopt(TCP_ULP, 'tls') on a loopback connection failed "
                f"with {name} (no CONFIG_TLS, or its module is not loaded)"
            )
    return None
