"""Owns the line for charts: 1,000 buckets over a long series, by the same over a short one.

Every answer's buckets are added up: no point may be missing, and extremes must be the series' own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import orjson

from benchmarks.bench import Bench, Goal, Outcome, check_stored, median, remove
from benchmarks.connection import Connection, require
from benchmarks.load import Plan
from benchmarks.processes import run_load, serve_stepwell, stepwell
from benchmarks.workload import Stream, component_name, losses, metric_name

if TYPE_CHECKING:
    from collections.abc import Sequence

LONG = Stream(
    "long-chart",
    components=1,
    metrics=1,
    steps=10_000_000,
    steps_per_put=10_000,
    connections=1,
    rounds=1,
)
SHORT = Stream(
    "short-chart",
    components=1,
    metrics=1,
    steps=10_000,
    steps_per_put=10_000,
    connections=1,
    rounds=1,
)
BUCKETS = 1000
COLUMNS = ("bucket", "min", "max", "mean", "last", "count")


def _body(stream: Stream) -> bytes:
    chart = {"metric": metric_name(0), "runs": [component_name(stream, 0)]}
    return orjson.dumps({"charts": [chart], "buckets": BUCKETS, "columns": COLUMNS})


def _check(answer: memoryview, stream: Stream) -> int:
    """Hold an answer against what was put; return how many buckets it has."""
    head_bytes = int.from_bytes(answer[:4], "little")
    (chart,) = orjson.loads(answer[4 : 4 + head_bytes])["charts"]
    (series,) = chart["series"]
    rows = series["rows"]
    values = np.frombuffer(answer, "<f8", len(COLUMNS) * rows, 4 + head_bytes)
    columns = dict(zip(COLUMNS, values.reshape(len(COLUMNS), rows), strict=True))
    require(columns["count"].sum() == stream.points, "the buckets do not hold every point")
    curve = losses(0, 0, stream.steps)
    starts = (chart["start"] + columns["bucket"] * chart["width"]).astype(np.int64)
    require(
        np.array_equal(columns["min"], np.minimum.reduceat(curve, starts)), "a minimum is wrong"
    )
    require(
        np.array_equal(columns["max"], np.maximum.reduceat(curve, starts)), "a maximum is wrong"
    )
    return rows


def _ask(connection: Connection, streams: Sequence[Stream]) -> list[float]:
    return [connection.ask("POST", "/api/v1/frames", _body(each)).seconds for each in streams]


def chart(bench: Bench) -> Outcome:
    """Time a chart of 1,000 buckets over 10M points, by one over 10,000 points."""
    bench.say(f"a chart of {BUCKETS:,} buckets over {LONG.points:,} points")
    folder = bench.data("charts")
    with serve_stepwell(folder, bench.log("charts")) as server:
        run_load(Plan(server.port, [LONG, SHORT], 0.0))
        server.stop()
    stepwell("compact", "--data", str(folder))
    check_stored(folder, LONG.points + SHORT.points, 2)
    with serve_stepwell(folder, bench.log("charts")) as server, Connection(server.port) as ours:
        # The short one first, so that the first look at the long one does not pay for imports.
        first_short, first_long = _ask(ours, [SHORT, LONG])
        buckets = [
            _check(ours.ask("POST", "/api/v1/frames", _body(each)).body, each)
            for each in (SHORT, LONG)
        ]
        server.settle()
        pairs = [_ask(ours, [LONG, SHORT]) for _ in range(bench.size.read_runs)]
    remove(folder)
    long_seconds, short_seconds = map(list, zip(*pairs, strict=True))
    measured, yardstick = median(long_seconds), median(short_seconds)
    return Outcome(
        line="chart",
        what="a chart of 1,000 buckets over 10M points",
        measured=f"{measured * 1000:.1f} ms (the first look: {first_long * 1000:.0f} ms)",
        yardstick=f"{yardstick * 1000:.1f} ms over 10,000 points",
        ratio=measured / yardstick,
        ratio_text=f"{measured / yardstick:.2f}x",
        at_least=Goal(10.0, "10x", higher_is_better=False),
        aim=Goal(3.0, "3x", higher_is_better=False),
        details={
            "runs_seconds": long_seconds,
            "yardstick_runs_seconds": short_seconds,
            "first_look_seconds": first_long,
            "first_look_short_seconds": first_short,
            "buckets": buckets,
        },
    )
