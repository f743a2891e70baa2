"""Owns the list of lines: one entry for each row of the design's table that is measured here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.lines import catalog, charts, memory, puts, reads, start, storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench, Outcome

LINES: dict[str, Callable[[Bench], Outcome]] = {
    "puts-10": puts.puts_of_10,
    "puts-10-unsigned": puts.unsigned_puts_of_10,
    "puts-1000": puts.puts_of_1000,
    "storage": storage.bytes_a_point,
    "series": reads.one_series,
    "batch-get": reads.batch_get,
    "chart": charts.chart,
    "memory": memory.peak,
    "start": start.first_answer,
    "catalog-list": catalog.list_page,
    "catalog-describe": catalog.describe,
    "catalog-create": catalog.create,
    "search-name": catalog.search_by_name,
    "search-experiment": catalog.search_by_experiment,
    "search-parameter": catalog.search_by_parameter,
    "search-metric": catalog.search_by_metric,
}
"""In the order in which they run; `start` uses the folder that `memory` leaves."""
