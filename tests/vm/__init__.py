"""Boots Debian kernels with kTLS in QEMU guests and runs the tests of tests/kernel in them.

In the order of what happens: `apt_sources` derives where to fetch from, `private_apt` fetches, `kernels` unpacks a
kernel into the cache, `kvm` finds out whether the processor can help, `guest` boots the kernel with the host's files
and runs one command in it, `guest_plugin` reports from the pytest run inside, `results` understands the reports,
`guest_run` waits for them, and `stand_ins` and `conftest` make them results of the run outside.

By hand: `python -m tests.vm run --kernel 6.12 -- COMMAND...`.
"""
