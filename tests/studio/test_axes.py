"""What stands beside a chart is true of what is in it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from .conftest import Server, Studio

Pages = Callable[..., Studio]


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    """Give a server with a short run, and twins in name."""
    server.put("short", "train/loss", [(step, 1 / (step + 1)) for step in range(200)])
    server.put("short", "train:loss", [(step, 2.0) for step in range(20)])
    server.put("short", "   ", [(step, 3.0) for step in range(20)])
    return server


def test_a_chart_keeps_its_axis_until_the_next_frame_is_there(
    filled: Server, studio_of: Pages
) -> None:
    """While frames are slow, a chart of steps says steps, and that another axis is loading."""
    studio = studio_of(filled).open(runs="short")
    assert studio.scene("train/loss", "points=200")["axis"] == "step"

    def slowly(route: object) -> None:
        time.sleep(1)
        route.continue_()  # type: ignore[attr-defined]

    studio.page.route("**/frames*", slowly)
    studio.over("train/loss").focus()
    studio.page.keyboard.press("x")
    note = studio.chart("train/loss").get_by_text("Still by step: relative time is loading …")
    note.wait_for()
    before = studio.scene("train/loss")
    assert (before["axis"], before["x"]) == ("step", [0, 199])
    after = studio.scene("train/loss", "axis=relative")
    assert after["x"][1] == pytest.approx(199_000, rel=0.02)
    note.wait_for(state="detached")
