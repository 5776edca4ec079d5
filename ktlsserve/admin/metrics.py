"""The metrics: names, meanings, labels, and where their values are in a snapshot.

Names and units follow Prometheus' conventions. Those with many combinations of labels show only what has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ktlsserve.admin.snapshot import Snapshot
from ktlsserve.observe.counters import Labels
from ktlsserve.observe.server_state import Stage, WorkerStage

Values = Mapping[Labels, float]

PREFIX = "ktlsserve_"


@dataclass(frozen=True, slots=True)
class Metric:
    """``name`` without PREFIX, and without the ``_total`` that the exposition gives to counters."""

    kind: Literal["counter", "gauge"]
    name: str
    labels: Labels
    help: str
    values: Callable[[Snapshot], Values]

    @property
    def full_name(self) -> str:
        """The name as it is exposed."""
        return f"{PREFIX}{self.name}{'_total' if self.kind == 'counter' else ''}"


def _family(name: str) -> Callable[[Snapshot], Values]:
    return lambda snapshot: snapshot.family(name)


def _info(snapshot: Snapshot) -> Values:
    facts = snapshot.facts
    return {(facts.version, facts.python, facts.openssl, facts.sends, facts.receives): 1}


def _workers(snapshot: Snapshot) -> Values:
    workers = snapshot.state.workers if snapshot.state is not None else ()
    return {(stage.value,): sum(worker.stage is stage for worker in workers) for stage in WorkerStage}


def _memo(snapshot: Snapshot) -> Values:
    return {("hit",): snapshot.total("requests_remembered"), ("miss",): snapshot.total("requests_worked_out")}


def _certificates(snapshot: Snapshot) -> Values:
    expiries: dict[Labels, float] = {}
    for fact in snapshot.facts.certificates:
        labels = (fact.name, fact.key)
        expiries[labels] = min(fact.expires_s, expiries.get(labels, fact.expires_s))
    return expiries


def _kernel(snapshot: Snapshot) -> Values:
    return {(name,): count for name, count in (snapshot.kernel or {}).items()}


def _of_state(name: str) -> Callable[[Snapshot], Values]:
    return lambda snapshot: {} if snapshot.state is None else {(): getattr(snapshot.state, name)}


def _happened(values: Mapping[Labels, int]) -> Values:
    return {labels: count for labels, count in values.items() if count}


METRICS = (
    Metric("gauge", "info", ("version", "python", "openssl", "sends", "receives"), "Versions, and who encrypts what is "
           "sent and decrypts what is received (kernel, userspace, off): always 1.", _info),
    Metric("gauge", "start_time_seconds", (), "When the server was started, in seconds since the epoch.",
           _of_state("started_s")),
    Metric("gauge", "ready", (), "1 while the server is ready, 0 while it starts or stops.",
           lambda snapshot: {(): int(snapshot.stage is Stage.READY)}),
    Metric("gauge", "workers", ("stage",), "Workers by what they do: starting, serving, leaving.", _workers),
    Metric("gauge", "workers_wanted", (), "Workers that should serve.", _of_state("wanted")),
    Metric("counter", "worker_restarts", (), "Workers started in the place of others that had died.",
           _of_state("restarts")),
    Metric("gauge", "generation", (), "Generations of workers that have come to serve: 1, and 1 for each reload.",
           _of_state("generation")),
    Metric("counter", "connections_accepted", (), "Connections accepted.", _family("connections_accepted")),
    Metric("gauge", "connections", ("tls",), "Open connections by who encrypts (kernel, userspace, off); pending ones "
           "have yet to finish their handshake.", _family("connections")),
    Metric("counter", "http_requests", ("site", "status"), "Requests answered, by site (its first name) and status.",
           lambda snapshot: _happened(snapshot.requests)),
    Metric("counter", "sent_bytes", ("path", "tls"), "Bytes of heads and bodies sent, before encryption: by sendfile, "
           "from memory, or through OpenSSL in userspace; and who encrypts.", _family("sent_bytes")),
    Metric("counter", "memo_lookups", ("result",), "Requests whose reply was remembered (hit), or worked out (miss).",
           _memo),
    Metric("counter", "file_cache_lookups", ("result",), "Files that a reply was worked out from: open already (hit), "
           "or looked for in the file system (miss).", _family("file_cache_lookups")),
    Metric("counter", "tls_handshakes", ("version", "cipher", "group", "resumed"), "TLS handshakes that succeeded.",
           lambda snapshot: _happened(snapshot.family("handshakes"))),
    Metric("counter", "tls_handshake_failures", ("reason",), "TLS handshakes that failed.",
           _family("handshake_failures")),
    Metric("counter", "tls_connections", ("sends", "receives"), "Connections after their handshake, by who encrypts "
           "what is sent and who decrypts what is received.", _family("tls_connections")),
    Metric("counter", "timeouts", ("kind",), "Connections that ended by a timeout.", _family("timeouts")),
    Metric("counter", "accept_pauses", ("reason",), "Times that a worker stopped accepting: out of descriptors or "
           "memory (resources), or as full as limits.connections or tls.handshakes_in_progress let it be (limit).",
           _family("accept_pauses")),
    Metric("counter", "client_refusals", ("what",), "Connections reset, and requests answered 429, because their "
           "client had all that limits allows it.", _family("client_refusals")),
    Metric("counter", "access_log_lost_lines", (), "Lines of the access log that were lost.",
           _family("access_log_lines_lost")),
    Metric("counter", "bugs", (), "Connections that ended by a bug in the server; the log has them.", _family("bugs")),
    Metric("gauge", "certificate_expiry_timestamp_seconds", ("name", "key"), "When a certificate expires, in seconds "
           "since the epoch, by its first name and kind of key.", _certificates),
    Metric("gauge", "kernel_tls_stat", ("counter",), "The kernel's /proc/net/tls_stat, of all programs in this network "
           "namespace: TlsCurr... are sessions now, all others only grow.", _kernel),
)  # fmt: skip

DURATION_NAME = "ktlsserve_tls_handshake_duration_seconds"
DURATION_HELP = "From accepting a connection to the end of its TLS handshake, of those that succeeded."
