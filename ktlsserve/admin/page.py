"""The snapshot as a page for a person: one file, nothing from elsewhere, readable without JavaScript."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from ktlsserve.admin.page_script import SCRIPT
from ktlsserve.admin.page_style import STYLE
from ktlsserve.admin.page_tables import (
    certificate_table,
    failure_table,
    handshake_table,
    path_table,
    request_table,
    worker_table,
)
from ktlsserve.admin.snapshot import Snapshot
from ktlsserve.admin.words import count_words, per_second, rate_words, span_words
from ktlsserve.observe.server_state import Stage


def _hash(text: str) -> bytes:
    return b64encode(sha256(text.encode()).digest())


CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; style-src 'sha256-%b'; script-src 'sha256-%b'; connect-src 'self'; img-src data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'" % (_hash(STYLE), _hash(SCRIPT))
)
"""Only this page's own style and script, which asks for this page. Its icon is empty: browsers would ask for one."""

_COLOURS = {Stage.STARTING: "warn", Stage.READY: "good", Stage.STOPPING: "warn"}

# The last minute's rates, drawn by the script.
_GRAPH = (
    '<dd><svg id="graph" hidden viewBox="0 0 118 32" preserveAspectRatio="none" aria-hidden="true">'
    '<polyline id="curve" points=""/></svg></dd>'
)

_FOOTER = """\
<footer>For programs: <a href="metrics">metrics</a>, <a href="status">status</a>, <a href="healthz">healthz</a>,
<a href="readyz">readyz</a>. Counts are since the start, rates of the last seconds.</footer>"""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<noscript><meta http-equiv="refresh" content="5"></noscript>
<style>{style}</style>
</head>
<body>
{body}
<script>{script}</script>
</body>
</html>
"""


def page(snapshot: Snapshot) -> bytes:
    """Return the page; UTF-8."""
    word, colour = _stage(snapshot)
    body = [
        _header(snapshot, word, colour),
        '<p id="silent" role="alert" hidden>The server doesn\'t answer; what is shown is the last that it said.</p>',
        "<main>",
        _tiles(snapshot),
        _section("paths", "Who encrypts", path_table(snapshot)),
        _section("workers", "Workers", worker_table(snapshot)),
        _section("certificates", "Certificates", certificate_table(snapshot)),
        _section("requests", "Requests", request_table(snapshot)),
        _section("handshakes", "TLS handshakes", handshake_table(snapshot)),
        _section("failures", "What went wrong", failure_table(snapshot)),
        "</main>",
        _FOOTER,
    ]
    return _PAGE.format(title=escape(f"ktlsserve: {word}"), style=STYLE, script=SCRIPT, body="\n".join(body)).encode()


def _stage(snapshot: Snapshot) -> tuple[str, str]:
    """Return a word for how the server does, and its colour."""
    if snapshot.state is not None and not snapshot.supervised:
        return "no word from the supervisor", "bad"
    if snapshot.stage is Stage.READY and not snapshot.serving:
        return "no worker serves", "bad"
    return snapshot.stage.value, _COLOURS[snapshot.stage]


def _header(snapshot: Snapshot, word: str, colour: str) -> str:
    state, facts = snapshot.state, snapshot.facts
    since = "" if state is None else f", up for {span_words(snapshot.when_s - state.started_s)}"
    return (
        f'<header><h1>ktlsserve</h1><span id="stage" data-live class="stage {colour}">{escape(word)}</span>'
        f'<span id="since" data-live>{escape(facts.version)}{since}</span></header>'
    )


def _tiles(snapshot: Snapshot) -> str:
    rates = snapshot.rates
    sent = None if rates is None else rates.of("sent_bytes")
    requests = None if rates is None else rates.of("requests_worked_out") + rates.of("requests_remembered")
    handshakes = None if rates is None else rates.of("handshakes")
    answered, done = sum(snapshot.requests.values()), snapshot.total("handshakes")
    accepted = count_words(snapshot.total("connections_accepted"))
    sent_now = f'<dd id="rate" data-live data-value="{sent or 0:.0f}">{rate_words(sent)}</dd>'
    tiles = [
        f"<div><dt>Sent now</dt>{sent_now}{_GRAPH}</div>",
        _tile("requests-now", "Requests now", per_second(requests), f"{count_words(answered)} in all"),
        _tile("open", "Connections open", count_words(snapshot.total("connections")), f"{accepted} accepted"),
        _tile("handshakes-now", "Handshakes now", per_second(handshakes), f"{count_words(done)} in all"),
    ]
    return "\n".join(['<dl class="tiles">', *tiles, "</dl>"])


def _tile(key: str, name: str, value: str, more: str) -> str:
    return (
        f'<div><dt>{name}</dt><dd id="{key}" data-live>{value}</dd>'
        f'<dd class="more" id="{key}-more" data-live>{more}</dd></div>'
    )


def _section(key: str, heading: str, table: str) -> str:
    return (
        f'<section aria-labelledby="{key}-heading"><h2 id="{key}-heading">{heading}</h2>'
        f'<div class="wide" id="{key}" data-live>{table}</div></section>'
    )
