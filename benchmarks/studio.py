"""Owns the command `make bench-studio`: how fast the Studio is in Chromium, beside its goals.

Every number is read in the browser: from the start of the navigation, from frame to frame, from
the put to the picture.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.__main__ import work_folder
from benchmarks.processes import serve_stepwell

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
BEGIN_S = 1_795_000_000
POINTS_A_PUT = 10_000
WAIT_MS = 60_000
#: By then all charts are drawn, and drawn again with what the live feed had to tell when it opened.
REST_MS = 4000
TRIES = 5

FIRST_MS = 1000
FRAME_MS = 20
HEAP_MB = 100
LIVE_MS = 1000
#: Two openings that take as long are the same.
LONG_RATIO = 1.5
SERVER_MS = 150
#: The charts of a screen, as the page asks for them: 300,000 rows at most.
FRAME_CHARTS = 12
FRAME_POINTS = 300
FRAME_BUCKETS = 83

FIRST_CHART = "() => performance.getEntriesByName('first-chart')[0]?.startTime ?? null"
SCROLL = """async ([seconds, pixels]) => {
    const scroller = document.getElementById('charts')
    const frames = []
    let last = performance.now()
    const stop = last + seconds * 1000
    while (last < stop) {
        await new Promise(requestAnimationFrame)
        const now = performance.now()
        frames.push(now - last)
        last = now
        scroller.scrollTop += pixels
    }
    return frames.slice(2)
}"""
#: Smooths, for which every chart needs another frame, and counts the requests for them.
REQUESTS = """async () => {
    performance.clearResourceTimings()
    const search = new URLSearchParams(location.search)
    search.set('smooth', '0.5')
    history.pushState(null, '', '?' + search)
    dispatchEvent(new PopStateEvent('popstate'))
    const seen = () => [...document.querySelectorAll('[data-metric]')]
    while (!seen().every((card) => card.studioScene?.lines.some((line) => line.raw))) {
        await new Promise(requestAnimationFrame)
    }
    const asked = performance.getEntriesByType('resource')
    return [asked.filter((each) => each.name.endsWith('/frames')).length, seen().length]
}"""
LAST_DRAWN = """(wanted) => {
    const scene = document.querySelector('[data-metric]')?.studioScene
    return scene && scene.points >= wanted ? performance.timeOrigin + performance.now() : null
}"""


class Line(NamedTuple):
    """One row of the table."""

    what: str
    found: str
    goal: str
    met: bool


def put(url: str, run: str, points: list[dict[str, Any]]) -> None:
    """Put points."""
    body = json.dumps({"TrialComponentName": run, "MetricData": points}).encode()
    request = urllib.request.Request(url + "/BatchPutMetrics", body, method="PUT")
    with urllib.request.urlopen(request) as answer:
        errors = json.load(answer).get("Errors")
    if errors:
        raise RuntimeError(errors)


def fill(url: str, runs: int, metrics: int, points: int) -> None:
    """Put every metric of every run."""
    for run in range(runs):
        made = [
            {
                "MetricName": f"group{metric // 50:02}/metric{metric:04}",
                "Timestamp": BEGIN_S + step,
                "Step": step,
                "Value": math.exp(-step / points) * (1 + run / runs) + metric % 7,
            }
            for step in range(points)
            for metric in range(metrics)
        ]
        for at in range(0, len(made), POINTS_A_PUT):
            put(url, f"run-{run:03}", made[at : at + POINTS_A_PUT])


def fill_long(url: str, run: str, points: int) -> None:
    """Put one long series."""
    for at in range(0, points, POINTS_A_PUT):
        made = [
            {
                "MetricName": "loss",
                "Timestamp": BEGIN_S + step,
                "Step": step,
                "Value": (step * 7919 % 1009) / 7,
            }
            for step in range(at, min(points, at + POINTS_A_PUT))
        ]
        put(url, run, made)


def opened(browser: Browser, address: str) -> tuple[Page, float]:
    """Open an address in a new profile; give the page, and when its first chart was drawn."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(address)
    first = page.wait_for_function(FIRST_CHART, timeout=WAIT_MS).json_value()
    return page, float(first)


def median(values: list[float]) -> float:
    """Give the middle value."""
    return sorted(values)[len(values) // 2]


def first_chart(browser: Browser, address: str) -> float:
    """Say when an opening drew its first chart."""
    page, first = opened(browser, address)
    page.context.close()
    return first


def heap_mb(page: Page) -> tuple[float, float]:
    """Give the heap in use and the buffers beside it, after a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    return usage["usedSize"] / 1e6, usage.get("backingStorageSize", 0) / 1e6


def crowd(browser: Browser, url: str, view: str, name: str) -> list[Line]:
    """Measure many runs and charts: the first chart, scrolling, and the heap afterwards."""
    first = median([first_chart(browser, url + view) for _ in range(TRIES)])
    page, _ = opened(browser, url + view)
    page.wait_for_timeout(REST_MS)
    rest = sorted(page.evaluate(SCROLL, [2, 0]))
    at_rest = rest[int(len(rest) * 0.95)]
    frames = sorted(page.evaluate(SCROLL, [6, 12]))
    p95 = frames[int(len(frames) * 0.95)]
    page.wait_for_timeout(1500)
    heap, buffers = heap_mb(page)
    requests, charts = page.evaluate(REQUESTS)
    page.context.close()
    return [
        Line(f"{name}: first chart", f"{first:.0f} ms", f"< {FIRST_MS} ms", first < FIRST_MS),
        Line(f"{name}: frame while scrolling, p95 of {len(frames)}",
             f"{p95:.1f} ms (at rest {at_rest:.1f})", f"< {FRAME_MS} ms", p95 < FRAME_MS),
        Line(f"{name}: requests for {charts} charts drawn anew", f"{requests}", "1", requests == 1),
        Line(f"{name}: heap (+ buffers)", f"{heap:.0f} (+ {buffers:.0f}) MB", f"< {HEAP_MB} MB",
             heap + buffers < HEAP_MB),
    ]  # fmt: skip


def long_series(browser: Browser, url: str, points: int) -> list[Line]:
    """Measure how a long series opens beside a short one, in turns; the first time by itself."""
    looks = [
        [first_chart(browser, f"{url}/?runs=^{run}$") for run in ("short", "long")]
        for _ in range(TRIES + 1)
    ]
    first_short, first_long = looks[0]
    short, long = (median(list(each)) for each in zip(*looks[1:], strict=True))
    goal = f"< {LONG_RATIO} x as long"
    return [
        Line("10,000 points: first chart", f"{short:.0f} ms", "", met=True),
        Line(f"{points:,} points: first chart", f"{long:.0f} ms ({long / short:.2f} x)", goal,
             long < short * LONG_RATIO),
        Line("10,000 points: first look", f"{first_short:.0f} ms", "", met=True),
        Line(f"{points:,} points: first look",
             f"{first_long:.0f} ms ({first_long / first_short:.2f} x)", goal,
             first_long < first_short * LONG_RATIO),
    ]  # fmt: skip


def fill_frame(url: str, runs: int) -> None:
    """Put the series of one frame, longer than the others."""
    for run in range(runs):
        made = [
            {
                "MetricName": f"frame/{metric:02}",
                "Timestamp": BEGIN_S + step,
                "Step": step,
                "Value": math.exp(-step / FRAME_POINTS) * (1 + (run * 7919 + step) % 101 / 300),
            }
            for step in range(FRAME_POINTS)
            for metric in range(FRAME_CHARTS)
        ]
        put(url, f"run-{run:03}", made)


def server_frame(url: str, runs: int) -> list[Line]:
    """Measure one frame of a screen of charts by itself, from the request to the last byte."""
    names = [f"run-{run:03}" for run in range(runs)]
    charts = [{"metric": f"frame/{metric:02}", "runs": names} for metric in range(FRAME_CHARTS)]
    body = json.dumps({"x": "step", "buckets": FRAME_BUCKETS, "charts": charts}).encode()
    times = []
    size = 0
    for _ in range(2 * TRIES):
        request = urllib.request.Request(url + "/api/v1/frames", body, method="POST")
        request.add_header("content-type", "application/json")
        request.add_header("x-stepwell-csrf", "1")
        started = time.perf_counter()
        with urllib.request.urlopen(request) as answer:
            size = len(answer.read())
        times.append((time.perf_counter() - started) * 1000)
    found = median(times)
    what = f"server: a frame of {FRAME_CHARTS} charts x {runs} runs x {FRAME_POINTS} points"
    return [Line(what, f"{found:.0f} ms, {size / 1e6:.0f} MB", f"< {SERVER_MS} ms",
                 found < SERVER_MS)]  # fmt: skip


def live(browser: Browser, url: str, tries: int = 20) -> list[Line]:
    """Measure from the start of a put to the picture that has the point."""
    put(url, "live", [{"MetricName": "loss", "Timestamp": time.time(), "Step": 0, "Value": 1.0}])
    page, _ = opened(browser, url + "/?runs=^live$")
    page.wait_for_timeout(1500)
    waits = []
    for step in range(1, tries + 1):
        before = time.time()
        put(url, "live", [{"MetricName": "loss", "Timestamp": before, "Step": step, "Value": 1.0}])
        drawn = page.wait_for_function(LAST_DRAWN, arg=step + 1, timeout=WAIT_MS).json_value()
        waits.append(drawn - before * 1000)
        page.wait_for_timeout(300)
    page.context.close()
    worst = max(waits)
    found = f"{median(waits):.0f} ms, worst {worst:.0f} ms"
    return [Line("put to picture", found, f"< {LIVE_MS} ms", worst < LIVE_MS)]


def main() -> None:
    """Fill a server, measure, and print the table."""
    parser = argparse.ArgumentParser(prog="make bench-studio", description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--metrics", type=int, default=1000)
    parser.add_argument("--points", type=int, default=10, help="of each metric of each run")
    parser.add_argument("--long", type=int, default=10_000_000, help="points of the long series")
    parser.add_argument("--folder", type=Path, default=Path(".bench"))
    arguments = parser.parse_args()
    console = Console()
    data = work_folder(arguments.folder)
    lines: list[Line] = []
    log = arguments.folder / "studio-server.log"
    try:
        with serve_stepwell(data, log) as server:
            url = f"http://127.0.0.1:{server.port}"
            console.print(f"putting {arguments.runs} runs of {arguments.metrics} metrics")
            fill(url, arguments.runs, arguments.metrics, arguments.points)
            fill_frame(url, arguments.runs)
            console.print(f"putting a series of {arguments.long:,} points")
            fill_long(url, "short", 10_000)
            fill_long(url, "long", arguments.long)
            # Compaction would share the cores with what is measured.
            server.settle()
        # Another server remembers nothing of what the first one has seen.
        with serve_stepwell(data, log) as server, sync_playwright() as playwright:
            url = f"http://127.0.0.1:{server.port}"
            chromium = shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            # The page and its code are warm: the first look then is at the points alone.
            first_chart(browser, url + "/?runs=^run-000$")
            lines += long_series(browser, url, arguments.long)
            lines += server_frame(url, arguments.runs)
            name = f"{arguments.runs} runs x {arguments.metrics:,} metrics"
            lines += crowd(browser, url, "/", f"{name}, newest drawn")
            lines += crowd(browser, url, "/?show=all", f"{name}, all drawn")
            lines += live(browser, url)
            browser.close()
    finally:
        shutil.rmtree(data)
    table = Table(title="The Studio in Chromium, without a GPU")
    # No line is broken where the output is a file.
    console.width = max(console.width, 130)
    for column in ("measured", "found", "goal", ""):
        table.add_column(column)
    for line in lines:
        table.add_row(line.what, line.found, line.goal, "ok" if line.met else "miss")
    console.print(table)
    console.print(str(machine.describe(arguments.folder)))


if __name__ == "__main__":
    main()
