"""The tables of the status page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ktlsserve.admin.facts import CertificateFact
from ktlsserve.admin.paths import PathUse, tls_paths
from ktlsserve.admin.snapshot import Snapshot
from ktlsserve.admin.words import count_words, day_words, rate_words, size_words, span_words
from ktlsserve.observe.server_state import WorkerStage

_PATH_NAMES = {
    "kernel_software": "Kernel, in software",
    "kernel_or_card": "Kernel, in software or on a network card",
    "network_card": "Network card",
    "userspace": "OpenSSL, in userspace",
    "off": "Nobody: plain HTTP",
}
_DAY_S = 86400
# The week in which a self-signed certificate is renewed, and twice that: ACME clients renew a month before the end.
_EXPIRY_WARNING_S = 14 * _DAY_S

Cell = str | tuple[str, str]


def path_table(snapshot: Snapshot) -> str:
    """Return who encrypts how much."""
    rows = [_path_row(use) for use in tls_paths(snapshot)]
    note = ""
    if snapshot.kernel is None:
        note = "<p>The kernel's TLS isn't loaded here.</p>"
    elif rows[0][0] == _PATH_NAMES["kernel_or_card"]:
        note = (
            "<p>The kernel has given sessions in this network namespace to a network card. How many bytes it encrypted "
            "isn't known.</p>"
        )
    return _table(["Path", "#Connections", "#Sent", "#Now"], rows) + note


def _path_row(use: PathUse) -> Sequence[Cell]:
    name = _PATH_NAMES[use.path]
    return name, count_words(use.connections), size_words(use.sent_bytes), rate_words(use.bytes_per_s)


def worker_table(snapshot: Snapshot) -> str:
    """Return what each worker does."""
    state = snapshot.state
    if state is None or not state.workers:
        return "<p>None.</p>"
    rows: list[Sequence[Cell]] = [
        (
            f"worker-{worker.number}",
            ("hangs", "bad") if not worker.alive else (worker.stage.value, _STAGE_COLOURS[worker.stage]),
            span_words(snapshot.when_s - worker.started_s),
            str(worker.pid),
            str(worker.generation),
        )
        for worker in state.workers
    ]
    restarts = "" if not state.restarts else f"<p>{count_words(state.restarts)} died and were replaced.</p>"
    return _table(["Name", "Stage", "#Up for", "#Process", "#.Generation"], rows) + restarts


_STAGE_COLOURS = {WorkerStage.STARTING: "warn", WorkerStage.SERVING: "good", WorkerStage.LEAVING: "warn"}


def certificate_table(snapshot: Snapshot) -> str:
    """Return the certificates, and when they end."""
    facts = snapshot.facts.certificates
    if not facts:
        return "<p>None: plain HTTP.</p>"
    rows: list[Sequence[Cell]] = [
        (", ".join(fact.names) or "no name", fact.key, day_words(fact.expires_s), _left(fact, snapshot.when_s))
        for fact in facts
    ]
    return _table(["Names", ".Key", "#Expires", "#In"], rows)


def _left(fact: CertificateFact, now_s: float) -> Cell:
    left_s = fact.expires_s - now_s
    if left_s <= 0:
        return "has expired", "bad"
    text = f"{left_s / _DAY_S:.0f} days" if left_s >= 2 * _DAY_S else span_words(left_s)
    return (text, "warn") if left_s < _EXPIRY_WARNING_S else text


def request_table(snapshot: Snapshot) -> str:
    """Return how each site's requests ended."""
    by_site: dict[str, dict[str, int]] = {}
    for (site, status), count in snapshot.requests.items():
        kinds = by_site.setdefault(site, {})
        kinds[status[0]] = kinds.get(status[0], 0) + count
    rows = [
        (site, *(count_words(kinds.get(kind, 0)) for kind in "2345"))
        for site, kinds in by_site.items()
        if any(kinds.values())
    ]
    if not rows:
        return "<p>None yet.</p>"
    remembered = snapshot.total("requests_remembered")
    total = sum(snapshot.requests.values())
    note = f"<p>{remembered / total:.0%} of the replies were remembered, and not worked out anew.</p>"
    return _table(["Site", "#2xx", "#3xx", "#4xx", "#5xx"], rows) + note


def handshake_table(snapshot: Snapshot) -> str:
    """Return which kinds of handshakes there were."""
    rows = [
        (f"{version}, {cipher}", group, "yes" if resumed == "yes" else "no", count_words(count))
        for (version, cipher, group, resumed), count in snapshot.family("handshakes").items()
        if count
    ]
    if not rows:
        return "<p>None yet.</p>"
    mean_s = snapshot.total("handshake_durations_ns") / 1e9 / snapshot.total("handshakes")
    note = f"<p>{1000 * mean_s:.1f} ms each on average.</p>"
    return _table(["Version and cipher", "Group", ".Resumed", "#Count"], rows) + note


def failure_table(snapshot: Snapshot) -> str:
    """Return what happened that shouldn't, or needn't."""
    found: list[tuple[str, int]] = [
        ("connections that ended by a bug", snapshot.total("bugs")),
        ("lines of the access log lost", snapshot.total("access_log_lines_lost")),
    ]
    for family, text in _FAILURES.items():
        found += [(text.format(word.replace("_", " ")), count) for (word,), count in snapshot.family(family).items()]
    rows = [(text, count_words(count)) for text, count in found if count]
    return _table(["What", "#Count"], rows) if rows else "<p>Nothing.</p>"


_FAILURES = {
    "handshake_failures": "handshakes that failed: {}",
    "accept_pauses": "pauses of accepting: {}",
    "timeouts": "timeouts: {}",
    "client_refusals": "refused to clients over their limits: {}",
}


_SIGNS = {"#": "n", ".": "w"}


def _table(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a table; ``#`` before a heading makes its column one of numbers, ``.`` one that phones don't show."""
    classes = [" ".join(name for sign, name in _SIGNS.items() if sign in heading) for heading in headings]
    head = "".join(
        f'<th scope="col"{_class(kind)}>{escape(heading.lstrip("#."))}</th>'
        for heading, kind in zip(headings, classes, strict=True)
    )
    body = "\n".join(
        f"<tr>{''.join(_cell(cell, kind) for cell, kind in zip(row, classes, strict=True))}</tr>" for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _cell(cell: Cell, kind: str) -> str:
    text, colour = (cell, "") if isinstance(cell, str) else cell
    return f"<td{_class(f'{kind} {colour}'.strip())}>{escape(text)}</td>"


def _class(names: str) -> str:
    return f' class="{names}"' if names else ""
