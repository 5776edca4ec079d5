"""Compare ktlsserve with other static file servers on this machine: ``python -m loadtests.bench``.

How figures become comparable on a machine that is never quiet:

- Server and client have processors of their own, and each server has one worker.
- All servers of a mode (plain, TLS in userspace, TLS in the kernel) are up at once and serve the same tree with the
  same certificate; a case is run on one after the other, round by round, every second round in reverse order. What
  disturbs a round disturbs all servers of it, so the figure to trust is the ratio to the reference *of the same
  round*: the median of these ratios, with the least and the greatest beside it.
- CPU time is the server's own, from ``/proc/PID/task/*/schedstat``, so a slow client doesn't change it much.
- Before a run the file is fetched once and compared byte by byte; a run with a wrong status, a socket error or too few
  bytes counts as failed, never as fast.
- On an emulated machine (``--kernel guest``) time counts instructions. Those figures have a unit of their own and are
  never mixed with seconds.

A **case** is one thing measured (``plain/10KiB/same/keep-alive/16``), a **peer** one server with its configuration, a
**sample** what one run gave.
"""
