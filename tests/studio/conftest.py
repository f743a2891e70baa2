"""A real server and Debian's Chromium: what a test sees is what a person sees.

Every page watches over itself: an error in the console, a breach of the policy or a request to
anyone else fails the test that caused it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
WAIT_MS = 15_000
DESKTOP = {"width": 1440, "height": 900}
#: Seconds since the epoch that the points of a test begin at, unless it says otherwise.
BEGIN_S = 1_795_000_000

Value = float | str
Curve = list[tuple[int, float]]


class Server:
    """A server process that can be stopped and started again on its port."""

    def __init__(self, data: Path, *options: str) -> None:
        """Start it."""
        self.data = data
        self.options = options
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it, on the same port as before."""
        command = [sys.executable, "-m", "stepwell.cli.main", "serve", "--data", str(self.data)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *self.options], stdout=subprocess.PIPE, text=True
        )
        line = next(line for line in iter(self.process.stdout or ()) if "http://" in line)
        address = next(word for word in line.split() if word.startswith("http://"))
        self.port = int(address.rpartition(":")[2].strip("/"))

    def stop(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.communicate()

    @property
    def url(self) -> str:
        """Give its address."""
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send one request and read the JSON that comes back."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def control(self, operation: str, **members: Any) -> Any:
        """Ask for an operation of the control plane."""
        headers = {
            "X-Amz-Target": f"SageMaker.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
        }
        return self.call("POST", "/", members, **headers)

    def put(
        self,
        run: str,
        metric: str,
        curve: Curve,
        begin_s: float = BEGIN_S,
        every_s: float = 1,
    ) -> None:
        """Put the points of one curve."""
        for at in range(0, len(curve), 5000):
            points = [
                {
                    "MetricName": metric,
                    "Timestamp": begin_s + every_s * (at + index),
                    "Step": step,
                    "Value": spelled(value),
                }
                for index, (step, value) in enumerate(curve[at : at + 5000])
            ]
            body = {"TrialComponentName": run, "MetricData": points}
            answer = self.call("PUT", "/BatchPutMetrics", body)
            assert not answer.get("Errors"), answer

    def run(self, name: str, status: str = "InProgress", **parameters: float | str) -> None:
        """Make a run with parameters."""
        kinds = {
            key: {"StringValue": value} if isinstance(value, str) else {"NumberValue": value}
            for key, value in parameters.items()
        }
        self.control(
            "CreateTrialComponent",
            TrialComponentName=name,
            Parameters=kinds,
            Status={"PrimaryStatus": status},
        )


def spelled(value: float) -> Value:
    """Spell what JSON has no number for."""
    if value != value:  # noqa: PLR0124
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "Infinity" if value > 0 else "-Infinity"
    return value


class Studio:
    """A page that shows the Studio of a server, and what can be read from it."""

    def __init__(self, page: Page, url: str) -> None:
        """Hold a page."""
        self.page = page
        self.url = url

    def open(self, **view: Any) -> Studio:
        """Look at a view."""
        query = urlencode(view, doseq=True)
        self.page.goto(f"{self.url}/?{query}" if query else f"{self.url}/")
        return self

    def view(self) -> dict[str, str]:
        """Give the view as the address spells it."""
        found: dict[str, str] = self.page.evaluate(
            "() => Object.fromEntries(new URLSearchParams(location.search))"
        )
        return found

    def chart(self, metric: str) -> Any:
        """Give the element of one chart."""
        return self.page.locator(f'[data-metric="{metric}"]')

    def scene(self, metric: str, ready: str = "true") -> dict[str, Any]:
        """Give what a chart draws, as soon as a fact of it (`points=9`) is so."""
        handle = self.page.wait_for_function(
            READ,
            arg=[metric, ready],
            timeout=WAIT_MS,
        )
        found: dict[str, Any] = json.loads(handle.json_value())
        for line in [*found["lines"], *([found["noise"]] if found["noise"] else [])]:
            for name in ("x", "middle", "raw", "min", "max", "count", "bucket"):
                if line[name] is not None:
                    line[name] = [float(each.replace("Infinity", "inf")) for each in line[name]]
        return found

    def over(self, metric: str) -> Any:
        """Give the part of a chart that takes the pointer."""
        return self.chart(metric).locator("[role=application]")

    def point_at(self, metric: str, across: float, down: float = 0.5) -> None:
        """Move the pointer to a part of the plot's width and height."""
        box = self.over(metric).bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])

    def drag(self, metric: str, start: float, stop: float) -> None:
        """Drag over a part of the plot's width."""
        self.point_at(metric, start)
        self.page.mouse.down()
        self.point_at(metric, (start + stop) / 2)
        self.point_at(metric, stop)
        self.page.mouse.up()


#: The policy forbids eval, so conditions are named and not written.
READ = """([metric, ready]) => {
    const card = [...document.querySelectorAll('[data-metric]')]
        .find((each) => each.dataset.metric === metric)
    const scene = card?.studioScene
    if (!scene) return null
    const [name, wanted] = ready.split('=')
    const facts = {
        points: scene.points, inRange: scene.inRange, lines: scene.lines.length, axis: scene.axis,
        scale: scene.scale, difference: scene.difference, width: scene.width,
        slots: new Set(scene.lines.map((line) => line.slot)).size, band: scene.band,
        notes: scene.notes.length, last: scene.lines[0]?.middle.at(-1),
        smooth: scene.lines.some((line) => line.raw !== null), true: 'true', x: scene.x.join(':'),
    }
    if (name !== 'true' && String(facts[name]) !== wanted) return null
    const plain = (line) => Object.fromEntries(Object.entries(line)
        .filter(([name]) => name !== 'series')
        .map(([name, each]) => [name, ArrayBuffer.isView(each) ? Array.from(each, String)
            : name === 'members' ? each.map((member) => member.id) : each]))
    const noise = scene.noise && plain(scene.noise)
    return JSON.stringify({...scene, lines: scene.lines.map(plain), noise})
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium for a module: its event loop must not be there for other folders' tests."""
    chromium = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing: scripts/get-chromium installs it")
        pytest.skip("Chromium is missing: scripts/get-chromium says how to install it")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def studio_of(browser: Browser) -> Iterator[Callable[..., Studio]]:
    """Give pages: a function of a server, or of an address, and of the browser's options."""
    with contextlib.ExitStack() as stack:
        wrong: list[str] = []

        def make(server: Server | str, *, tolerant: bool = False, **options: Any) -> Studio:
            url = server if isinstance(server, str) else server.url
            context: BrowserContext = browser.new_context(**{"viewport": DESKTOP, **options})
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(WAIT_MS)
            watch(page, url, wrong, tolerant=tolerant)
            return Studio(page, url)

        yield make
        assert not wrong


def watch(page: Page, url: str, wrong: list[str], *, tolerant: bool) -> None:
    """Note what may not happen; a tolerant page may lose its server."""
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    origin = "/".join(url.split("/")[:3])

    def said(message: Any) -> None:
        breach = "Content Security Policy" in message.text
        if breach or (message.type in {"error", "warning"} and not tolerant):
            wrong.append(f"console: {message.text}")

    def asked(request: Any) -> None:
        if not request.url.startswith((origin, "data:", "blob:")):
            wrong.append(f"a request to someone else: {request.url}")

    page.on("console", said)
    page.on("request", asked)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a server for the tests of a module."""
    started = Server(tmp_path_factory.mktemp("studio"))
    yield started
    started.stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Give servers of a test's own."""
    started: list[Server] = []

    def make(*options: str) -> Server:
        started.append(Server(tmp_path / f"data-{len(started)}", *options))
        return started[-1]

    yield make
    for each in started:
        each.stop()
