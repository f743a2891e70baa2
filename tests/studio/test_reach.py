"""Everyone and everywhere: screen readers, keyboards, phones, prefixes, keys, no internet."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from .conftest import Server, Studio

Pages = Callable[..., Studio]
Servers = Callable[..., Server]

SIZES = {"desktop": (1440, 900), "tablet": (820, 1180), "phone": (390, 844)}
VIEWS: dict[str, dict[str, Any]] = {
    "charts": {},
    "group": {"group": "rate", "y": "robust"},
    "table": {"page": "table", "target": "train/loss < 5"},
    "details": {"run": "one"},
    "points": {"points": '["one","train/loss",0,20]'},
    "single": {"chart": "train/loss", "at": 5, "on_chart": "train/loss", "color": "rate"},
}


@pytest.fixture(scope="module")
def filled(server: Server) -> Iterator[Server]:
    """Give a server with two runs, one with NaN."""
    for name, rate in (("one", 0.1), ("two", 0.2)):
        server.run(name, rate=rate, model="mlp")
        curve = [(step, float("nan") if step > 90 else rate * step) for step in range(100)]
        server.put(name, "train/loss", curve)
        server.put(name, "val/accuracy", curve[:20])
    return server


def violations(studio: Studio) -> list[str]:
    """Run axe, and give what it finds as lines."""
    found = Axe().run(studio.page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:150]} {node.get('failureSummary', '')[:300]}"
        for each in found
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("size", SIZES)
def test_axe(filled: Server, studio_of: Pages, size: str, view: str, theme: str) -> None:
    """Axe has nothing to say about any view, at any width, in either theme."""
    width, height = SIZES[size]
    viewport = {"width": width, "height": height}
    studio = studio_of(filled, viewport=viewport, color_scheme=theme, bypass_csp=True)
    studio.open(**VIEWS[view])
    studio.page.locator("main").wait_for()
    studio.page.wait_for_timeout(500)
    assert not violations(studio)


def test_axe_on_the_first_page_and_the_help(fresh: Servers, studio_of: Pages) -> None:
    """The empty page and the list of keys are fine too."""
    studio = studio_of(fresh(), bypass_csp=True).open()
    studio.page.get_by_text("Listening for the first point").wait_for()
    assert not violations(studio)
    studio.page.keyboard.press("?")
    studio.page.get_by_role("dialog").wait_for()
    assert not violations(studio)


def test_a_chart_can_be_heard(filled: Server, studio_of: Pages) -> None:
    """Each chart has a sentence and a table with the last value of every run."""
    studio = studio_of(filled).open()
    studio.scene("train/loss", "points=200")
    sentence = studio.over("train/loss").get_attribute("aria-label")
    assert sentence.startswith("train/loss: 2 lines, 200 of 200 points")
    assert "Highest at the end: two with 18." in sentence
    assert "first NaN at step 91" in sentence
    rows = studio.chart("train/loss").locator("table tbody tr")
    # It comes when the page is at rest.
    rows.nth(1).wait_for(state="attached")
    heard = [[cell.text_content() for cell in row.locator("th, td").all()] for row in rows.all()]
    assert sorted(heard) == [["one", "9", "100"], ["two", "18", "100"]]


def test_by_keyboard_alone(filled: Server, studio_of: Pages) -> None:
    """Tab reaches the runs, the settings and the charts, and what has the focus can be seen."""
    studio = studio_of(filled).open()
    studio.scene("train/loss", "points=200")
    seen = set()
    for _ in range(60):
        studio.page.keyboard.press("Tab")
        what = studio.page.evaluate(
            """() => { const e = document.activeElement
                const style = getComputedStyle(e.matches('.sr') ? e.parentElement : e)
                return [e.getAttribute('role') ?? e.tagName,
                    style.outlineStyle !== 'none' || e === document.body] }"""
        )
        seen.add(what[0])
        assert what[1], what
    assert {"INPUT", "BUTTON", "SELECT", "application", "A"} <= seen


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_screen(filled: Server, studio_of: Pages, size: str) -> None:
    """No width makes the page scroll sideways, and charts fit."""
    width, height = SIZES[size]
    studio = studio_of(filled, viewport={"width": width, "height": height}).open()
    studio.scene("train/loss", "points=200")
    wide = studio.page.evaluate(
        """() => [...document.querySelectorAll('body *')].filter((each) =>
            each.getBoundingClientRect().right > innerWidth + 1 && !each.closest('.sr')
        ).map((each) => each.outerHTML.slice(0, 90))"""
    )
    assert not wide


def test_on_a_phone(filled: Server, studio_of: Pages) -> None:
    """Runs and settings open from the head; a touch shows the values below."""
    viewport = {"width": 390, "height": 844}
    studio = studio_of(filled, viewport=viewport, has_touch=True, is_mobile=True).open()
    studio.scene("train/loss", "points=200")
    studio.page.get_by_label("Runs", exact=True).tap()
    studio.page.get_by_label("Draw one").wait_for()
    studio.page.get_by_label("Close the list of runs").tap()
    studio.page.get_by_label("Chart settings").tap()
    studio.page.get_by_text("Log", exact=True).tap()
    studio.scene("train/loss", "scale=log")
    studio.over("train/loss").tap()
    studio.page.get_by_label("Values at the cursor").wait_for()


class Proxy(BaseHTTPRequestHandler):
    """Hands what is below a prefix on, without the prefix, as a reverse proxy does."""

    prefix = "/team/tools/stepwell"
    port = 0

    def handle_any(self) -> None:
        """Hand one request on."""
        if not self.path.startswith(self.prefix + "/"):
            self.send_error(404)
            return
        length = int(self.headers.get("content-length") or 0)
        upstream = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        headers["X-Forwarded-Prefix"] = self.prefix
        path = self.path.removeprefix(self.prefix)
        upstream.request(self.command, path, self.rfile.read(length), headers)
        answer = upstream.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()
        with contextlib.suppress(ConnectionError), contextlib.closing(upstream):
            while part := answer.read1(65_536):
                self.wfile.write(part)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


def test_behind_a_prefix(filled: Server, studio_of: Pages) -> None:
    """Behind a proxy with a path of its own all is the same."""
    handler = type("Handler", (Proxy,), {"port": filled.port})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{proxy.server_port}{Proxy.prefix}"
        studio = studio_of(base).open()
        studio.scene("train/loss", "points=200")
        studio.page.keyboard.press("l")
        studio.scene("train/loss", "scale=log")
        assert studio.page.url == base + "/?y=log"
        filled.put("one", "val/accuracy", [(100, 1.0)])
        studio.scene("val/accuracy", "points=41")
        studio.page.close()
        proxy.shutdown()


def test_a_server_with_keys(fresh: Servers, studio_of: Pages) -> None:
    """The page asks for a key, takes the right one only, and signs out."""
    server = fresh()
    server.put("run", "loss", [(0, 1.0)])
    made = subprocess.run(
        [sys.executable, "-m", "stepwell.cli.main", "keys", "create", "--data", str(server.data)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    words = made.replace("=", " ").replace('"', " ").split()
    key = next(each for each in words if each.startswith(("AK", "SW")) and each.isalnum())
    secret = max((each for each in words if len(each) >= 30), key=len)
    server.stop()
    server.start()
    studio = studio_of(server, tolerant=True, bypass_csp=True).open()
    studio.page.get_by_role("heading", name="Sign in to Stepwell").wait_for()
    assert not violations(studio)
    studio.page.get_by_label("Access key").fill(key)
    studio.page.get_by_label("Secret key").fill("wrong")
    studio.page.get_by_role("button", name="Sign in").click()
    studio.page.get_by_role("alert").wait_for()
    studio.page.get_by_label("Secret key").fill(secret)
    studio.page.get_by_role("button", name="Sign in").click()
    studio.scene("loss", "points=1")
    (cookie,) = studio.page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    studio.page.reload()
    studio.scene("loss", "points=1")
    # A session that ends while the page is open.
    studio.page.context.clear_cookies()
    studio.page.keyboard.press("x")
    studio.page.get_by_label("Access key").fill(key)
    studio.page.get_by_label("Secret key").fill(secret)
    studio.page.get_by_role("button", name="Sign in").click()
    studio.scene("loss", "axis=relative")
    assert studio.view() == {"x": "relative"}
    studio.page.get_by_label("Sign out").click()
    studio.page.get_by_role("heading", name="Sign in to Stepwell").wait_for()
    assert json.dumps(secret) not in studio.page.content()
