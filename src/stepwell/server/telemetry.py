"""Seeing inside: Prometheus metrics.

Counters of puts are fed once a group, never once a put. With several workers the client
library adds all processes up through files in a folder of its own (PROMETHEUS_MULTIPROC_DIR).
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from stepwell.ingest.admission import Ingest
from stepwell.ingest.frames import Report
from stepwell.model.errors import StoreError
from stepwell.model.points import Outcome
from stepwell.store.sqlite.reader import StoreSize

#: docs/operations.md lists them; a test holds it to this.
METRICS = {
    "stepwell_puts_total": "puts by result: stored, retry, refused, unavailable",
    "stepwell_points_total": "points stored",
    "stepwell_put_errors_total": "refused items by code",
    "stepwell_request_errors_total": "requests refused as a whole, by code",
    "stepwell_commit_groups_total": "group commits",
    "stepwell_commit_seconds": "seconds of a group commit, all of it",
    "stepwell_sync_seconds": "seconds of a group's write and fsync alone",
    "stepwell_queries_total": "queries answered by BatchGetMetrics",
    "stepwell_get_seconds": "seconds of a BatchGetMetrics, until its answer was handed over",
    "stepwell_control_seconds": "seconds of an operation of the control plane, by operation",
    "stepwell_waiting_puts": "puts received and not yet answered",
    "stepwell_waiting_bytes": "bytes of puts received and not yet answered",
    "stepwell_store_components": "trial components",
    "stepwell_store_series": "series",
    "stepwell_store_points": "points in the store",
    "stepwell_store_hot_rows": "puts committed and not yet compacted",
    "stepwell_store_hot_points": "points of those",
    "stepwell_store_chunks": "chunks",
    "stepwell_store_bytes": "bytes of the data folder",
}
_COMMIT_BUCKETS = (
    0.0005,
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    10,
)


class Telemetry:
    """One process' metrics. On the loop, but for `render`."""

    def __init__(self) -> None:
        """Register the metrics."""
        self.registry = CollectorRegistry()
        self._puts = self._counter("stepwell_puts_total", ["result"])
        self._points = self._counter("stepwell_points_total")
        self._item_errors = self._counter("stepwell_put_errors_total", ["code"])
        self._request_errors = self._counter("stepwell_request_errors_total", ["code"])
        self._groups = self._counter("stepwell_commit_groups_total")
        self._queries = self._counter("stepwell_queries_total")
        self._commit_seconds = self._histogram("stepwell_commit_seconds")
        self._sync_seconds = self._histogram("stepwell_sync_seconds")
        self._get_seconds = self._histogram("stepwell_get_seconds")
        self._control_seconds = self._histogram("stepwell_control_seconds", ["operation"])
        self._waiting_puts = self._gauge("stepwell_waiting_puts")
        self._waiting_bytes = self._gauge("stepwell_waiting_bytes")

    def committed(self, report: Report) -> None:
        """Note a group. See `ingest.admission.Observer`."""
        results: Tally[str] = Tally()
        codes: Tally[str] = Tally()
        points = stored = 0
        for answer in report.answers:
            # Nearly all are of the first kind: that is told first.
            if isinstance(answer, Outcome):
                if answer.stored:
                    stored += 1
                    points += answer.stored
                else:
                    results["retry" if answer.is_retry else "refused"] += 1
                if answer.errors:
                    codes.update(error.code.name for error in answer.errors)
            else:
                results["unavailable"] += 1
        if stored:
            results["stored"] = stored
        self._groups.inc()
        self._commit_seconds.observe(report.seconds)
        for seconds in report.sync_seconds:
            self._sync_seconds.observe(seconds)
        if points:
            self._points.inc(points)
        for result, count in results.items():
            self._puts.labels(result).inc(count)
        for code, count in codes.items():
            self._item_errors.labels(code).inc(count)

    def unavailable(self, count: int) -> None:
        """Note puts that no committer has answered. See `ingest.admission.Observer`."""
        self._puts.labels("unavailable").inc(count)

    def refused(self, code: str) -> None:
        """Note a request that was refused as a whole."""
        self._request_errors.labels(code).inc()

    def got(self, queries: int, seconds: float) -> None:
        """Note an answered BatchGetMetrics."""
        self._queries.inc(queries)
        self._get_seconds.observe(seconds)

    def controlled(self, operation: str, seconds: float) -> None:
        """Note an answered operation of the control plane."""
        self._control_seconds.labels(operation).observe(seconds)

    def watch(self, size: Callable[[], StoreSize], ingest: Ingest) -> None:
        """Say where the gauges are read from when someone asks for the metrics."""
        self._store = _StoreCollector(size)
        self._ingest = ingest

    def sample(self) -> None:
        """Read the gauges of what waits. On the loop."""
        self._waiting_puts.set(self._ingest.waiting_puts)
        self._waiting_bytes.set(self._ingest.waiting_bytes)

    def render(self) -> bytes:
        """Write all metrics, of all processes, in Prometheus' text format. Reads the store."""
        registry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        own = CollectorRegistry()
        own.register(self._store)
        return generate_latest(registry) + generate_latest(own)

    def _counter(self, name: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(name, METRICS[name], labels, registry=self.registry)

    def _gauge(self, name: str) -> Gauge:
        return Gauge(name, METRICS[name], registry=self.registry, multiprocess_mode="livesum")

    def _histogram(self, name: str, labels: Sequence[str] = ()) -> Histogram:
        return Histogram(
            name, METRICS[name], labels, buckets=_COMMIT_BUCKETS, registry=self.registry
        )


class _StoreCollector(Collector):
    """Gauges of what the store holds, counted when asked."""

    def __init__(self, size: Callable[[], StoreSize]) -> None:
        self._size = size

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            size = self._size()
        except StoreError:
            # The counters that tell of it are wanted all the more.
            return
        for name in StoreSize.__slots__:
            metric = f"stepwell_store_{name}"
            yield GaugeMetricFamily(metric, METRICS[metric], value=getattr(size, name))
