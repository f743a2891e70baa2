"""Owns the line for starting: spawn to first answered get, on a large folder and an empty one.

The folder is used as a stop left it, with what was not compacted yet. The page cache is warm.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import orjson

from benchmarks.bench import Bench, Goal, Outcome, check_stored, folder_bytes, info, median, remove
from benchmarks.connection import Connection, batch_get_body, require
from benchmarks.load import Plan
from benchmarks.processes import (
    READY_SECONDS_MAX,
    ProcessFailedError,
    free_port,
    run_load,
    serve_stepwell,
)
from benchmarks.workload import Stream, component_name, losses, metric_name

if TYPE_CHECKING:
    from pathlib import Path

PROBE = Stream(
    "probe", components=1, metrics=1, steps=1_000, steps_per_put=1_000, connections=1, rounds=1
)
"""The series that the first get asks for."""

FILL = Stream("fill", components=100, metrics=10, steps=1_000, steps_per_put=100, connections=16)
"""A million points of 1,000 series, sent as many times as the folder needs."""

RETRY_SECONDS = 0.005


def _fill(bench: Bench) -> tuple[Path, int]:
    """Return a data folder with the size's number of points or more, and how many they are."""
    folder = bench.large if bench.large is not None else bench.data("large")
    stored = info(folder).points if bench.large is not None else 0
    streams = [PROBE]
    if stored < bench.size.start_points:
        rounds = -(-(bench.size.start_points - stored) // FILL.points)
        streams.append(msgspec.structs.replace(FILL, rounds=rounds))
    with serve_stepwell(folder, bench.log("start")) as server:
        stored += run_load(Plan(server.port, streams, 0.0)).points
        server.stop()
    check_stored(folder, stored)
    return folder, stored


def _first_answer(bench: Bench, folder: Path, body: bytes) -> tuple[float, dict[str, Any]]:
    """Start a server, return the seconds until a get was answered, and the answer's one result."""
    port = free_port()
    started = time.perf_counter()
    with serve_stepwell(folder, bench.log("start"), port=port, wait=False) as server:
        while True:
            try:
                with Connection(port) as connection:
                    answer = connection.ask("POST", "/BatchGetMetrics", body)
                    seconds = time.perf_counter() - started
                    return seconds, orjson.loads(answer.body)["MetricQueryResults"][0]
            except ConnectionError:
                server.check_alive()
                if time.perf_counter() - started > READY_SECONDS_MAX:
                    message = f"no answer {READY_SECONDS_MAX:.0f} s after the start"
                    raise ProcessFailedError(message) from None
                time.sleep(RETRY_SECONDS)


def first_answer(bench: Bench) -> Outcome:
    """Time from start to the first answered get on a large folder, by those on an empty one."""
    bench.say(f"start: filling a folder with {bench.size.start_points:,} points")
    folder, points = _fill(bench)
    folder_size = folder_bytes(folder)
    body = batch_get_body(component_name(PROBE, 0), [metric_name(0)])
    large, empty = [], []
    for run in range(bench.size.start_runs):
        bench.say(f"start: run {run + 1} of {bench.size.start_runs}")
        seconds, result = _first_answer(bench, folder, body)
        require(
            np.array_equal(result["MetricValues"], losses(0, 0, PROBE.steps)),
            "the first get answered wrongly",
        )
        large.append(seconds)
        seconds, result = _first_answer(bench, bench.data("empty"), body)
        require(result["Status"] == "ValidationError", "an empty server knows the component")
        empty.append(seconds)
    remove(folder)
    bench.large = None
    measured, yardstick = median(large), median(empty)
    return Outcome(
        line="start",
        what=f"start to first answered get, {points / 1e6:.0f}M points on disk",
        measured=f"{measured * 1000:.0f} ms",
        yardstick=f"{yardstick * 1000:.0f} ms for an empty folder",
        ratio=measured / yardstick,
        ratio_text=f"{measured / yardstick:.2f}x",
        at_least=Goal(2.0, "2x", higher_is_better=False),
        aim=Goal(1.1, "the same", higher_is_better=False),
        details={
            "runs_seconds": large,
            "yardstick_runs_seconds": empty,
            "folder_bytes": folder_size,
        },
    )
