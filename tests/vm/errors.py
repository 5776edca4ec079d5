"""What can go wrong between this machine and a guest.

GuestError
├── PackagesError      packages could not be found, fetched or installed
├── KernelError        no such kernel, or its package is not what was expected
└── BootError          the guest did not start, or ended before its command did
"""


class GuestError(Exception):
    """A guest cannot be had; the message says what to do about it."""


class PackagesError(GuestError):
    """Packages could not be found, fetched or installed."""


class KernelError(GuestError):
    """A kernel is unknown, or its package does not hold what it should."""


class BootError(GuestError):
    """The guest did not start, or ended before its command did."""
