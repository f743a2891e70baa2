"""Owns the line for memory: the server's process tree under an ingest that goes as fast as it can.

Small and large puts come at once: large ones fill what is waiting to be written and compacted,
small ones make as many invocation ids to remember as the server can take.
"""

from __future__ import annotations

import time

from benchmarks.bench import Bench, Goal, Outcome, check_stored, info
from benchmarks.load import Plan
from benchmarks.processes import run_load, serve_stepwell
from benchmarks.workload import Stream

MEGABYTE = 1_000_000
GROWTH_MAX = 1.15
"""The second half may reach this much more than the first and count as flat: allocators breathe."""

SMALL = Stream(
    "memory-small", components=100, metrics=10, steps=20, steps_per_put=1, connections=32
)
LARGE = Stream(
    "memory-large", components=100, metrics=10, steps=200, steps_per_put=100, connections=16
)


def peak(bench: Bench) -> Outcome:
    """Measure the peak memory of the server over a sustained ingest, and whether it is flat."""
    folder = bench.data("memory")
    seconds = bench.size.memory_seconds
    bench.say(f"memory: {seconds:.0f} s of ingest at full rate")
    samples: list[tuple[float, int]] = []
    with serve_stepwell(folder, bench.log("memory")) as server:
        idle = server.memory_bytes()
        load = run_load(
            Plan(server.port, [SMALL, LARGE], seconds),
            lambda: samples.append((time.perf_counter(), server.memory_bytes())),
        )
        server.stop()
    check_stored(folder, load.points, SMALL.series + LARGE.series)
    # The generator builds its requests first; what counts is the time in which it sends.
    sending = [(at, rss) for at, rss in samples if at >= samples[-1][0] - load.seconds]
    middle = sending[-1][0] - load.seconds / 2
    first = max(rss for at, rss in sending if at < middle)
    second = max(rss for at, rss in sending if at >= middle)
    highest = max(first, second)
    growth = second / first
    bench.large = folder
    return Outcome(
        line="memory",
        what=f"peak memory of the server, {seconds:.0f} s of ingest at full rate",
        measured=f"{highest / MEGABYTE:.0f} MB ({load.points / 1e6:.0f}M points)",
        yardstick=f"first half {first / MEGABYTE:.0f} MB, second {second / MEGABYTE:.0f} MB",
        ratio=highest / MEGABYTE,
        ratio_text=f"{growth:.2f}x from half to half",
        at_least=Goal(400.0, "400 MB, flat", higher_is_better=False),
        aim=Goal(250.0, "250 MB", higher_is_better=False),
        is_timed=False,
        details={
            "idle_bytes": idle,
            "first_half_bytes": first,
            "second_half_bytes": second,
            "hot_points_left": info(folder).hot_points,
            "load": load,
            "samples": [(round(at - sending[0][0], 2), rss) for at, rss in sending],
        },
        refused="" if growth <= GROWTH_MAX else f"it grew {growth:.2f} times from half to half",
    )
