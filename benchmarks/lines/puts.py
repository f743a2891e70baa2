"""Owns the lines for puts: of 10 points by a handler that does nothing, of 1,000 by msgspec.

Puts are signed and each signature is verified, as wherever others can reach the server. One line
leaves signatures out, to show what they cost.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from benchmarks.bench import Bench, Goal, Outcome, check_stored, median, remove
from benchmarks.load import Load, Plan
from benchmarks.processes import Server, make_key, run_load, serve_nothing, serve_stepwell
from benchmarks.workload import AccessKey, Stream, bodies

if TYPE_CHECKING:
    from pathlib import Path

WARM_UP_SECONDS = 0.5

STREAM_10 = Stream("puts-10", components=100, metrics=10, steps=20, steps_per_put=1, connections=64)
"""A training step's 10 metrics in a put, 1,000 series, 64 jobs at once."""

STREAM_1000 = Stream(
    "puts-1000", components=100, metrics=10, steps=200, steps_per_put=100, connections=16
)
"""100 steps of 10 metrics in a put, 1,000 series, 16 jobs at once."""


class Point(msgspec.Struct, gc=False):
    """A point as a strict decoder takes it from a put."""

    MetricName: str
    Timestamp: float
    Value: float
    Step: int | None = None


class Put(msgspec.Struct, gc=False):
    """A put as a strict decoder takes it."""

    TrialComponentName: str
    MetricData: list[Point]


def decode_rate(puts: list[bytes], seconds: float) -> float:
    """Return the points a second at which msgspec alone decodes the bodies, in this one thread."""
    decode = msgspec.json.Decoder(Put).decode
    points = 0
    started = now = time.perf_counter()
    while now - started < seconds:
        for put in puts:
            points += len(decode(put).MetricData)
        now = time.perf_counter()
    return points / (now - started)


def _measured(
    server: Server, stream: Stream, seconds: float, key: AccessKey | None
) -> tuple[Load, float]:
    """Put for `seconds`; return what was seen, and how long the server worked on after it."""
    load = run_load(Plan(server.port, [stream], seconds, key))
    return load, server.settle()


def _finish(server: Server, folder: Path, points: int, series: int) -> None:
    server.stop()
    check_stored(folder, points, series)
    remove(folder)


def puts_of_10(bench: Bench) -> Outcome:
    """Measure durable, signed puts of 10 points a second, by a handler that does nothing."""
    return _puts_of_10(bench, is_signed=True)


def unsigned_puts_of_10(bench: Bench) -> Outcome:
    """Measure the same without signatures."""
    return _puts_of_10(bench, is_signed=False)


def _puts_of_10(bench: Bench, *, is_signed: bool) -> Outcome:
    size, folder = bench.size, bench.data("puts-10")
    key = make_key(folder) if is_signed else None
    loads: list[Load] = []
    nothing: list[Load] = []
    settle_seconds = []
    with (
        serve_nothing(bench.log("donothing")) as idle,
        serve_stepwell(folder, bench.log("puts-10")) as server,
    ):
        warm, _ = _measured(server, STREAM_10, WARM_UP_SECONDS, key)
        run_load(Plan(idle.port, [STREAM_10], WARM_UP_SECONDS))
        for run in range(size.put_runs):
            bench.say(f"puts of 10, run {run + 1} of {size.put_runs}")
            load, settled = _measured(server, STREAM_10, size.put_seconds, key)
            loads.append(load)
            settle_seconds.append(settled)
            nothing.append(run_load(Plan(idle.port, [STREAM_10], size.put_seconds)))
        points = warm.points + sum(load.points for load in loads)
        _finish(server, folder, points, STREAM_10.series)
    measured = median([load.puts_per_second for load in loads])
    yardstick = median([load.puts_per_second for load in nothing])
    latencies = f"p50 {median([load.latency_ms_p50 for load in loads]):.1f} ms"
    signed = "signed" if is_signed else "unsigned"
    return Outcome(
        line="puts-10" if is_signed else "puts-10-unsigned",
        what=f"durable, {signed} puts of 10 points, {STREAM_10.connections} connections",
        measured=f"{measured:,.0f} puts/s ({latencies})",
        yardstick=f"{yardstick:,.0f} requests/s that do nothing",
        ratio=measured / yardstick,
        ratio_text=f"{measured / yardstick:.0%}",
        at_least=Goal(0.33, "33 %", higher_is_better=True),
        aim=Goal(0.45, "45 %", higher_is_better=True),
        details={"runs": loads, "yardstick_runs": nothing, "settle_seconds": settle_seconds},
    )


def puts_of_1000(bench: Bench) -> Outcome:
    """Measure points a second in durable, signed puts of 1,000, by msgspec's for the same bytes."""
    size, folder = bench.size, bench.data("puts-1000")
    key = make_key(folder)
    sample = list(bodies(STREAM_1000))
    loads: list[Load] = []
    decoded: list[float] = []
    settle_seconds = []
    with serve_stepwell(folder, bench.log("puts-1000")) as server:
        warm, _ = _measured(server, STREAM_1000, WARM_UP_SECONDS, key)
        for run in range(size.put_runs):
            bench.say(f"puts of 1,000, run {run + 1} of {size.put_runs}")
            load, settled = _measured(server, STREAM_1000, size.put_seconds, key)
            loads.append(load)
            settle_seconds.append(settled)
            decoded.append(decode_rate(sample, size.put_seconds / 2))
        points = warm.points + sum(load.points for load in loads)
        _finish(server, folder, points, STREAM_1000.series)
    measured = median([load.points_per_second for load in loads])
    yardstick = median(decoded)
    latencies = f"p50 {median([load.latency_ms_p50 for load in loads]):.1f} ms"
    return Outcome(
        line="puts-1000",
        what=f"durable, signed puts of 1,000 points, {STREAM_1000.connections} connections",
        measured=f"{measured / 1e6:.2f}M points/s ({latencies})",
        yardstick=f"{yardstick / 1e6:.2f}M points/s decoded by msgspec alone",
        ratio=measured / yardstick,
        ratio_text=f"{measured / yardstick:.0%}",
        at_least=Goal(0.20, "20 %", higher_is_better=True),
        aim=Goal(0.30, "30 %", higher_is_better=True),
        details={"runs": loads, "yardstick_runs": decoded, "settle_seconds": settle_seconds},
    )
