"""The snapshot as JSON, for programs that aren't Prometheus; its keys are documented in docs/metrics.md, and stay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ktlsserve.admin.paths import tls_paths
from ktlsserve.admin.snapshot import Snapshot
from ktlsserve.observe.counters import Labels


def status(snapshot: Snapshot) -> bytes:
    """Return the JSON text; whatever isn't known is null."""
    return json.dumps(status_object(snapshot), indent=2).encode("ascii") + b"\n"


def status_object(snapshot: Snapshot) -> dict[str, Any]:
    """Return what the JSON says."""
    return {
        "time": _iso(snapshot.when_s),
        "server": _server(snapshot),
        "now": _now(snapshot),
        "connections": {
            "accepted": snapshot.total("connections_accepted"),
            **{tls: count for (tls,), count in snapshot.family("connections").items()},
        },
        "tls_paths": [asdict(path) for path in tls_paths(snapshot)],
        "sent_bytes": [
            {"path": path, "tls": tls, "bytes": count}
            for (path, tls), count in snapshot.family("sent_bytes").items()
        ],
        "requests": _requests(snapshot),
        "handshakes": _handshakes(snapshot),
        "timeouts": _by_word(snapshot.family("timeouts")),
        "accept_pauses": _by_word(snapshot.family("accept_pauses")),
        "client_refusals": _by_word(snapshot.family("client_refusals")),
        "access_log_lost_lines": snapshot.total("access_log_lines_lost"),
        "bugs": snapshot.total("bugs"),
        "kernel_tls_stat": snapshot.kernel,
        "workers": [
            {
                "pid": worker.pid,
                "number": worker.number,
                "generation": worker.generation,
                "stage": worker.stage.value,
                "alive": worker.alive,
                "started": _iso(worker.started_s),
            }
            for worker in (snapshot.state.workers if snapshot.state is not None else ())
        ],
        "certificates": [
            {
                "names": fact.names,
                "key": fact.key,
                "expires": _iso(fact.expires_s),
                "expires_in_s": int(fact.expires_s - snapshot.when_s),
                "source": fact.source,
            }
            for fact in snapshot.facts.certificates
        ],
    }  # fmt: skip


def _server(snapshot: Snapshot) -> dict[str, object]:
    facts, state = snapshot.facts, snapshot.state
    return {
        "version": facts.version,
        "python": facts.python,
        "openssl": facts.openssl,
        "stage": snapshot.stage.value,
        "supervised": snapshot.supervised,
        "pid": state.pid if state is not None else None,
        "started": _iso(state.started_s) if state is not None else None,
        "generation": state.generation if state is not None else 0,
        "workers_wanted": state.wanted if state is not None else 0,
        "workers_serving": snapshot.serving,
        "worker_restarts": state.restarts if state is not None else 0,
        "sends": facts.sends,
        "receives": facts.receives,
    }


def _now(snapshot: Snapshot) -> dict[str, float] | None:
    rates = snapshot.rates
    if rates is None:
        return None
    return {
        "over_s": round(rates.over_s, 3),
        "sent_bytes_per_s": round(rates.of("sent_bytes")),
        "requests_per_s": round(rates.of("requests_worked_out") + rates.of("requests_remembered"), 1),
        "connections_per_s": round(rates.of("connections_accepted"), 1),
        "handshakes_per_s": round(rates.of("handshakes"), 1),
    }


def _requests(snapshot: Snapshot) -> dict[str, object]:
    by_site: dict[str, int] = {}
    by_status: dict[str, int] = {}
    for (site, code), count in snapshot.requests.items():
        by_site[site] = by_site.get(site, 0) + count
        if count:
            by_status[code] = by_status.get(code, 0) + count
    return {
        "total": sum(by_site.values()),
        "remembered": snapshot.total("requests_remembered"),
        "by_status": dict(sorted(by_status.items())),
        "by_site": by_site,
    }


def _handshakes(snapshot: Snapshot) -> dict[str, object]:
    done = snapshot.family("handshakes")
    return {
        "succeeded": sum(done.values()),
        "resumed": sum(count for (*_, resumed), count in done.items() if resumed == "yes"),
        "by_kind": [
            {"version": version, "cipher": cipher, "group": group, "resumed": resumed == "yes", "count": count}
            for (version, cipher, group, resumed), count in done.items()
            if count
        ],
        "failed": _by_word(snapshot.family("handshake_failures")),
    }


def _by_word(family: Mapping[Labels, int]) -> dict[str, int]:
    return {word: count for (word,), count in family.items()}


def _iso(epoch_s: float) -> str:
    """Return a time as RFC 3339 writes it, in UTC."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
