"""Owns the lines for reads: one long series as raw columns, a BatchGetMetrics of many queries.

Both read what was put over HTTP and compacted, and compare every number with what was sent.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING

import numpy as np
import orjson
from pcodec import standalone  # type: ignore[import-untyped]

from benchmarks.bench import Bench, Goal, Outcome, check_stored, median, remove
from benchmarks.connection import Connection, batch_get_body, decode_frame, points_path, require
from benchmarks.load import Plan
from benchmarks.processes import run_load, serve_nothing, serve_stepwell, stepwell
from benchmarks.workload import Stream, component_name, losses, metric_name, times_ms

if TYPE_CHECKING:
    from pathlib import Path

LONG = Stream(
    "long", components=1, metrics=1, steps=1_000_000, steps_per_put=10_000, connections=1, rounds=1
)
WIDE = Stream(
    "wide", components=1, metrics=100, steps=10_000, steps_per_put=100, connections=1, rounds=1
)
MICROSECONDS = 1000


def _ingest(bench: Bench, stream: Stream) -> Path:
    """Put the stream into a new data folder, stop, compact, return the folder."""
    folder = bench.data(stream.component_prefix)
    with serve_stepwell(folder, bench.log(stream.component_prefix)) as server:
        run_load(Plan(server.port, [stream], 0.0))
        server.stop()
    stepwell("compact", "--data", str(folder))
    check_stored(folder, stream.points, stream.series)
    return folder


def _chunk_columns(folder: Path) -> list[tuple[bytes, bytes, bytes]]:
    """Return the encoded columns of every chunk of a folder that holds one series, in order."""
    with contextlib.closing(
        sqlite3.connect(f"file:{folder / 'chunks.db'}?mode=ro", uri=True)
    ) as database:
        return database.execute(
            "SELECT steps, timestamps, vals FROM chunk ORDER BY first_index"
        ).fetchall()


def _decode(chunks: list[tuple[bytes, bytes, bytes]]) -> tuple[float, int]:
    """Decode every column; return the seconds and the number of points."""
    points = 0
    started = time.perf_counter()
    for columns in chunks:
        for column in columns:
            numbers = standalone.simple_decompress(column)
        points += len(numbers)
    return time.perf_counter() - started, points


def one_series(bench: Bench) -> Outcome:
    """Time a series of 1M points as raw columns over HTTP, by decoding its chunks alone."""
    bench.say(f"one series: {LONG.points:,} points")
    folder = _ingest(bench, LONG)
    chunks = _chunk_columns(folder)
    path = points_path(component_name(LONG, 0), metric_name(0)) + "&types=narrow"
    http_seconds, decode_seconds, zeros_seconds = [], [], []
    with (
        serve_stepwell(folder, bench.log("long")) as server,
        serve_nothing(bench.log("donothing")) as idle,
        Connection(server.port) as connection,
        Connection(idle.port) as idle_connection,
    ):
        answer = connection.ask("GET", path)
        zeros_path = f"/?{len(answer.body)}"
        frame = decode_frame(answer.body)
        require(
            np.array_equal(frame.steps, np.arange(LONG.steps)),
            "the steps are not those that were put",
        )
        times_us = times_ms(0, LONG.steps) * MICROSECONDS
        require(
            np.array_equal(frame.timestamps_us, times_us), "the times are not those that were put"
        )
        require(
            np.array_equal(frame.values, losses(0, 0, LONG.steps)),
            "the values are not those that were put",
        )
        server.settle()
        for _ in range(bench.size.read_runs):
            http_seconds.append(connection.ask("GET", path).seconds)
            seconds, points = _decode(chunks)
            require(points == LONG.points, f"the chunks hold {points:,} points")
            decode_seconds.append(seconds)
            zeros_seconds.append(idle_connection.ask("GET", zeros_path).seconds)
    remove(folder)
    measured, yardstick = median(http_seconds), median(decode_seconds)
    return Outcome(
        line="series",
        what="one series of 1M points, raw columns of narrow types over HTTP",
        measured=f"{measured * 1000:.1f} ms",
        yardstick=f"{yardstick * 1000:.1f} ms to decode its {len(chunks)} chunks alone "
        f"(to send as many zeros: {median(zeros_seconds) * 1000:.1f} ms)",
        ratio=measured / yardstick,
        ratio_text=f"{measured / yardstick:.2f}x",
        at_least=Goal(3.0, "3x", higher_is_better=False),
        aim=Goal(2.0, "2x", higher_is_better=False),
        details={
            "runs_seconds": http_seconds,
            "yardstick_runs_seconds": decode_seconds,
            "zeros_runs_seconds": zeros_seconds,
            "chunks": len(chunks),
        },
    )


def batch_get(bench: Bench) -> Outcome:
    """Time BatchGetMetrics of 100 queries of 10,000 points, by orjson for the same numbers."""
    bench.say(f"BatchGetMetrics: {WIDE.series} queries of {WIDE.steps:,} points")
    folder = _ingest(bench, WIDE)
    names = [metric_name(metric) for metric in range(WIDE.metrics)]
    body = batch_get_body(component_name(WIDE, 0), names)
    steps = np.arange(WIDE.steps)
    curves = [losses(0, metric, WIDE.steps) for metric in range(WIDE.metrics)]
    numbers = {
        "MetricQueryResults": [
            {"Status": "Complete", "XAxisValues": steps, "MetricValues": curve} for curve in curves
        ]
    }
    http_seconds, write_seconds = [], []
    with serve_stepwell(folder, bench.log("wide")) as server, Connection(server.port) as connection:
        results = orjson.loads(connection.ask("POST", "/BatchGetMetrics", body).body)[
            "MetricQueryResults"
        ]
        require(len(results) == WIDE.metrics, f"{len(results)} results for {WIDE.metrics} queries")
        for name, result, curve in zip(names, results, curves, strict=True):
            require(
                result["Status"] == "Complete",
                f"{name}: {result['Status']} {result.get('Message')}",
            )
            require(
                np.array_equal(result["XAxisValues"], steps),
                f"{name}: the steps are not those that were put",
            )
            values = np.array(result["MetricValues"])
            require(
                np.array_equal(values, curve), f"{name}: the values are not those that were put"
            )
        server.settle()
        for _ in range(bench.size.read_runs):
            answer = connection.ask("POST", "/BatchGetMetrics", body)
            http_seconds.append(answer.seconds)
            started = time.perf_counter()
            written = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)
            write_seconds.append(time.perf_counter() - started)
    remove(folder)
    measured, yardstick = median(http_seconds), median(write_seconds)
    return Outcome(
        line="batch-get",
        what="BatchGetMetrics, 100 queries of 10,000 points each",
        measured=f"{measured * 1000:.0f} ms",
        yardstick=f"{yardstick * 1000:.0f} ms for orjson to write the numbers",
        ratio=measured / yardstick,
        ratio_text=f"{measured / yardstick:.2f}x",
        at_least=Goal(2.0, "2x", higher_is_better=False),
        aim=Goal(1.5, "1.5x", higher_is_better=False),
        details={
            "runs_seconds": http_seconds,
            "yardstick_runs_seconds": write_seconds,
            "answer_bytes": len(answer.body),
            "yardstick_bytes": len(written),
        },
    )
