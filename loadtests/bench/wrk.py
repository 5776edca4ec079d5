"""wrk as the client: its command, its scripts, and what it reports.

wrk runs a Lua script; ours has it print its summary as JSON, so that nothing is parsed from text made for people, and
makes the heads. A head is the same for all requests, or carries an X-Request-Id that was never sent before, neither in
this run nor in another: servers may remember heads.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.errors import RunFailed
from loadtests.bench.processors import Processors
from loadtests.bench.workloads import Head, Persistence, Workload

_MARK = "bench-summary "
# wrk counts answers that take longer as errors; 256 connections share what one server sends.
_TIMEOUT_S = 60
# A run that takes longer than its duration by this much hangs.
_GRACE_S = 90.0
SUMMARY = r"""
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'bench-summary {"requests":%d,"bytes":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,' ..
    '"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
"""
_CLOSE = 'wrk.headers["Connection"] = "close"\n'
# The request is taken apart once, so that each new head costs the client two concatenations.
_UNIQUE = """
local threads, sent = 0, 0
setup = function(thread) thread:set("number", threads); threads = threads + 1 end
init = function(arguments)
  local mark = "@request-id@"
  local whole = wrk.format("GET", nil, {["X-Request-Id"] = mark, ["Connection"] = wrk.headers["Connection"]})
  local first, last = whole:find(mark, 1, true)
  before = whole:sub(1, first - 1) .. arguments[1] .. "-" .. number .. "-"
  after = whole:sub(last + 1)
end
request = function() sent = sent + 1; return before .. sent .. after end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of the client saw: answers, bytes with heads, and latencies."""

    requests: int
    bytes: int
    duration_s: float
    p50_ms: float
    p99_ms: float


def script(workload: Workload) -> str:
    """Return the Lua script of a workload."""
    close = _CLOSE if workload.persistence is Persistence.CLOSE else ""
    return close + (_UNIQUE if workload.head is Head.UNIQUE else "") + SUMMARY


def run(workload: Workload, url: str, duration_s: int, processors: Processors, folder: Path) -> Load:
    """Put the workload on ``url``; raises RunFailed where any answer was wrong."""
    file = folder / f"{workload.head}-{workload.persistence}.lua"
    file.write_text(script(workload), encoding="ascii")
    threads = min(len(processors.client), workload.connections)
    command = ["wrk", "-t", str(threads), "-c", str(workload.connections), "-d", f"{duration_s}s"]
    command += ["--timeout", f"{_TIMEOUT_S}s", "-s", str(file), url, "--", os.urandom(8).hex()]
    try:
        ended = subprocess.run(
            processors.for_client(command),
            capture_output=True,
            text=True,
            timeout=duration_s + _GRACE_S,
            check=False,
            env=client_environment(folder),
        )
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"wrk did not end within {error.timeout:g} s") from error
    if ended.returncode != 0:
        raise RunFailed(f"wrk ended with status {ended.returncode}: {ended.stderr.strip()}")
    return parse(ended.stdout, workload.size_bytes)


def parse(output: str, size_bytes: int) -> Load:
    """Read our script's summary; raises RunFailed where a request failed or answers were shorter than the file.

    ``requests`` is 0 where bytes came, but no answer was complete in time.
    """
    _, found, text = output.rpartition(_MARK)
    if not found:
        raise RunFailed(f"wrk gave no summary: {output.strip()}")
    summary: dict[str, int] = json.loads(text.splitlines()[0])
    errors = {name: summary[name] for name in ("connect", "read", "write", "status", "timeout") if summary[name]}
    if errors:
        raise RunFailed("wrk counted errors: " + ", ".join(f"{name} {count}" for name, count in errors.items()))
    requests = summary["requests"]
    # Of large files none may be complete on each connection when the time is over; whole files' worth must be there.
    if summary["bytes"] < size_bytes or not summary["duration_us"]:
        raise RunFailed("wrk saw no answer")
    if summary["bytes"] < requests * size_bytes:
        raise RunFailed(f"{requests} answers in {summary['bytes']} bytes, and the file alone has {size_bytes}")
    return Load(
        requests,
        summary["bytes"],
        summary["duration_us"] / 1e6,
        summary["p50_us"] / 1e3,
        summary["p99_us"] / 1e3,
    )


def client_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which OpenSSL's clients offer one cipher and one key share.

    Servers differ in what they prefer; with a choice, one would be measured with AES-256 and the other with AES-128.
    P-256 stands there for the certificate: without it OpenSSL 3.0's servers don't use theirs.
    """
    file = folder / "client-openssl.cnf"
    if not file.exists():
        file.write_text(
            "openssl_conf = all\n[all]\nssl_conf = tls\n[tls]\nsystem_default = client\n[client]\n"
            "MinProtocol = TLSv1.3\nCiphersuites = TLS_AES_128_GCM_SHA256\nGroups = X25519:P-256\n",
            encoding="ascii",
        )
    return {**os.environ, "OPENSSL_CONF": str(file)}
