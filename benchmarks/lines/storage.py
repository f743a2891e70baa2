"""Owns the line for storage: bytes a point of a whole data folder, compacted and closed."""

from __future__ import annotations

from benchmarks.bench import Bench, Goal, Outcome, check_stored, folder_bytes, remove
from benchmarks.load import Plan
from benchmarks.processes import run_load, serve_stepwell, stepwell
from benchmarks.workload import Stream

STEPS = 2_000
FLOAT_BYTES = 8
COLUMNS = 3


def bytes_a_point(bench: Bench) -> Outcome:
    """Measure bytes a point in all files after `stepwell compact`, with the server stopped."""
    folder = bench.data("storage")
    stream = Stream(
        "storage",
        components=bench.size.storage_components,
        metrics=10,
        steps=STEPS,
        steps_per_put=100,
        connections=8,
        rounds=1,
    )
    bench.say(f"storage: {stream.points:,} points over {stream.series:,} series")
    with serve_stepwell(folder, bench.log("storage")) as server:
        load = run_load(Plan(server.port, [stream], 0.0))
        server.stop()
    before = folder_bytes(folder)
    stepwell("compact", "--data", str(folder))
    after = folder_bytes(folder)
    check_stored(folder, stream.points, stream.series)
    files = {
        str(path.relative_to(folder)): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }
    remove(folder)
    ratio = after / stream.points
    raw = COLUMNS * FLOAT_BYTES
    return Outcome(
        line="storage",
        what="noisy float32 losses at jittered milliseconds, whole folder",
        measured=f"{after:,} bytes for {stream.points / 1e6:.1f}M points",
        yardstick=f"{raw} bytes a point as raw columns",
        ratio=ratio,
        ratio_text=f"{ratio:.2f} bytes",
        at_least=Goal(5.0, "5 bytes", higher_is_better=False),
        aim=Goal(4.3, "4.3 bytes", higher_is_better=False),
        is_timed=False,
        details={
            "series": stream.series,
            "bytes_before_compaction": before,
            "files": files,
            "ingest": load,
        },
    )
