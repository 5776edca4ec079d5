"""What system calls, copies and batches cost on this machine: ``python -m loadtests.syscalls``."""
