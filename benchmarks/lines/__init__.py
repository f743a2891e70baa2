"""Owns the list of lines: one entry for each row of the design's table that is measured here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.lines import charts, memory, puts, reads, start, storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench, Outcome

LINES: dict[str, Callable[[Bench], Outcome]] = {
    "puts-10": puts.puts_of_10,
    "puts-1000": puts.puts_of_1000,
    "storage": storage.bytes_a_point,
    "series": reads.one_series,
    "batch-get": reads.batch_get,
    "chart": charts.chart,
    "memory": memory.peak,
    "start": start.first_answer,
}
"""In the order in which they run; `start` uses the folder that `memory` leaves."""
