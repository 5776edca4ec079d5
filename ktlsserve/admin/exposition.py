"""The metrics in Prometheus' formats, by prometheus_client.

Only the admin process imports this: no worker pays for the package.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Exposed
from prometheus_client.registry import Collector, CollectorRegistry

from ktlsserve.admin.metrics import DURATION_HELP, DURATION_NAME, METRICS, PREFIX
from ktlsserve.admin.snapshot import Snapshot

_NS_A_SECOND = 1_000_000_000


class SnapshotCollector(Collector):
    """Yields the metrics of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Exposed]:
        """Yield each metric with its values."""
        for metric in METRICS:
            made = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = made(PREFIX + metric.name, metric.help, labels=metric.labels)
            for labels, value in metric.values(self._snapshot).items():
                family.add_metric(labels, value)
            yield family
        yield self._durations()

    def _durations(self) -> HistogramMetricFamily:
        buckets: list[tuple[str, float]] = []
        count = 0
        for (bound,), in_bucket in self._snapshot.family("handshake_durations").items():
            count += in_bucket
            buckets.append((bound, count))
        family = HistogramMetricFamily(DURATION_NAME, DURATION_HELP)
        if buckets:
            family.add_metric((), buckets, self._snapshot.total("handshake_durations_ns") / _NS_A_SECOND)
        return family


def exposition(snapshot: Snapshot, accept: str) -> tuple[bytes, bytes]:
    """Return the content type and the text of all metrics, in the format that the Accept header prefers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SnapshotCollector(snapshot))
    encode, content_type = choose_encoder(accept)
    return content_type.encode("ascii"), encode(registry)
