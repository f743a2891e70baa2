"""Fingers on a phone: two zoom and move, one reads values, and the page still scrolls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Server, Studio

Pages = Callable[..., Studio]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
STEPS = 1000


class Fingers:
    """Fingers on a chart; places are parts of its width, in pixels below its top."""

    def __init__(self, studio: Studio, metric: str) -> None:
        """Find the chart."""
        self.cdp = studio.page.context.new_cdp_session(studio.page)
        box = studio.over(metric).bounding_box()
        assert box is not None
        self.box = box

    def send(self, kind: str, *spots: tuple[float, float]) -> None:
        """Send one event of all fingers that are down."""
        points = [
            {"x": self.box["x"] + part * self.box["width"], "y": self.box["y"] + down, "id": number}
            for number, (part, down) in enumerate(spots)
        ]
        self.cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def pinch(self, before: tuple[float, float], now: tuple[float, float]) -> None:
        """Put two fingers down one after the other, move both, and lift them."""
        self.send("touchStart", (before[0], 60))
        self.send("touchStart", (before[0], 60), (before[1], 60))
        for part in (0.25, 0.5, 0.75, 1):
            spots = [(old + part * (new - old), 60) for old, new in zip(before, now, strict=True)]
            self.send("touchMove", *spots)
        self.send("touchEnd")


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    """Give a server with a run of some charts."""
    for metric in ("train/a", "train/b", "train/c", "train/d"):
        server.put("run", metric, [(step, float(step)) for step in range(STEPS)])
    return server


def expected(view: tuple[float, float], before: Any, now: Any) -> tuple[float, float]:
    """Say which range has the same steps under the fingers as before."""
    wide = (view[1] - view[0]) * (before[1] - before[0]) / (now[1] - now[0])
    start = view[0] + before[0] * (view[1] - view[0]) - now[0] * wide
    return start, start + wide


def test_two_fingers_zoom_and_move(filled: Server, studio_of: Pages) -> None:
    """The steps under the fingers stay there; all charts follow; a button leads back."""
    studio = studio_of(filled, **PHONE).open()
    whole = studio.scene("train/a", f"points={STEPS}")["x"]
    before, now = (0.4, 0.6), (0.1, 0.8)
    Fingers(studio, "train/a").pinch(before, now)
    studio.page.wait_for_url("**from=*")
    view = studio.view()
    start, stop = expected(whole, before, now)
    assert float(view["from"]) == pytest.approx(start, abs=2)
    assert float(view["to"]) == pytest.approx(stop, abs=2)
    for metric in ("train/a", "train/b"):
        (line,) = studio.scene(metric, "width=1")["lines"]
        assert line["middle"] == line["x"]
        assert line["x"][0] == float(view["from"])
    near = (float(view["from"]), float(view["to"]))
    Fingers(studio, "train/a").pinch((0.3, 0.6), (0.5, 0.8))
    studio.page.wait_for_function(
        "(before) => !location.search.includes(`from=${before}&`)", arg=view["from"]
    )
    moved = studio.view()
    start, stop = expected(near, (0.3, 0.6), (0.5, 0.8))
    assert float(moved["from"]) == pytest.approx(start, abs=2)
    assert float(moved["to"]) == pytest.approx(stop, abs=2)
    # A touch so soon after another would be a double one.
    studio.page.wait_for_timeout(600)
    studio.page.get_by_role("button", name="Whole x axis").tap()
    studio.scene("train/a", f"x={whole[0]:g}:{whole[1]:g}")
    assert "from" not in studio.view()
    studio.page.go_back()
    assert studio.view() == moved


def test_one_finger_reads_and_scrolls(filled: Server, studio_of: Pages) -> None:
    """Along the chart it reads values, and down the chart it scrolls the page; neither zooms."""
    studio = studio_of(filled, **PHONE).open()
    studio.scene("train/a", f"points={STEPS}")
    fingers = Fingers(studio, "train/a")
    fingers.send("touchStart", (0.3, 60))
    for part in (0.4, 0.5, 0.6):
        fingers.send("touchMove", (part, 60))
    panel = studio.page.get_by_label("Values at the cursor")
    panel.wait_for()
    studio.page.wait_for_function(
        """() => {
            const panel = document.querySelector('[aria-label="Values at the cursor"]')
            const value = Number(panel?.querySelector('tbody td:nth-child(3)')?.innerText)
            return Math.abs(value - 600) < 20
        }"""
    )
    fingers.send("touchEnd")
    fingers.send("touchStart", (0.5, 120))
    for down in (100, 60, 0, -60):
        fingers.send("touchMove", (0.5, down))
    fingers.send("touchEnd")
    studio.page.wait_for_function("() => document.getElementById('charts').scrollTop > 50")
    assert "from" not in studio.view()


def test_the_keyboard_zooms_and_moves(filled: Server, studio_of: Pages) -> None:
    """Nearer and farther around the cursor, earlier and later by half of what is seen."""
    studio = studio_of(filled).open(**{"from": 0, "to": 400})
    studio.scene("train/a", "x=0:400")
    studio.over("train/a").focus()
    for key, view in [("z", "100:300"), (">", "200:400"), ("<", "100:300"), ("Z", "0:400")]:
        studio.page.keyboard.press(key)
        studio.scene("train/a", f"x={view}")
