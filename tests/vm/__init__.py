"""Boots Debian kernels with kTLS in QEMU guests and runs the tests of tests/kernel in them.

The bytes' way, so to speak: `apt_sources` derives where to fetch from, `private_apt` fetches, `kernels` unpacks a kernel
into the cache, `kvm` finds out whether the processor can help, `guest` boots the kernel with the host's file system and
runs one command in it, and `conftest` turns the results of the pytest run inside into results of the one outside.
By hand: `python -m tests.vm run --kernel 6.12 -- COMMAND...`.
"""
