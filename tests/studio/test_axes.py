"""What stands beside a chart is true of what is in it."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from playwright.sync_api import Route

from .conftest import Server, Studio

Pages = Callable[..., Studio]


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    """Give a server with a short run of metrics whose names are much alike, and a long one."""
    server.put("short", "train/loss", [(step, 1 / (step + 1)) for step in range(200)])
    server.put("short", "train:loss", [(step, 2.0) for step in range(20)])
    bad = [(step, math.nan if step >= 2521 else 1.0) for step in range(6000)]
    server.put("long", "bad/loss", bad)
    server.put("short", "   ", [(step, 3.0) for step in range(20)])
    return server


def test_a_chart_keeps_its_axis_until_the_next_frame_is_there(
    filled: Server, studio_of: Pages
) -> None:
    """While frames are under way, a chart of steps says steps, and that another axis is loading."""
    studio = studio_of(filled).open(runs="short")
    assert studio.scene("train/loss", "points=200")["axis"] == "step"
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    studio.page.route("**/frames*", hold)
    studio.over("train/loss").focus()
    studio.page.keyboard.press("x")
    note = studio.chart("train/loss").get_by_text("Still by step: relative time is loading …")
    note.wait_for()
    before = studio.scene("train/loss")
    assert (before["axis"], before["x"]) == ("step", [0, 199])
    for each in held:
        each.continue_()
    studio.page.unroute("**/frames*")
    after = studio.scene("train/loss", "axis=relative")
    assert after["x"][1] == pytest.approx(199_000, rel=0.02)
    note.wait_for(state="detached")


def test_charts_can_be_told_apart(filled: Server, studio_of: Pages) -> None:
    """Two that would have one title have their whole names; a name of spaces is seen."""
    studio = studio_of(filled).open(runs="short")
    for metric, title in (
        ("train/loss", "train/loss"),
        ("train:loss", "train:loss"),
        ("   ", "␣␣␣"),
    ):
        assert studio.chart(metric).locator("h3").inner_text() == title
        assert studio.chart(metric).get_by_role("heading", name=title, exact=True).count() == 1
    alone = studio.open(runs="long").chart("bad/loss")
    assert alone.locator("h3").inner_text() == "loss"
    assert alone.get_by_role("heading", name="bad/loss", exact=True).count() == 1


def test_a_column_of_equal_values_marks_none(filled: Server, studio_of: Pages) -> None:
    """The table marks the least and the most of a column, unless they are the same."""
    for run, last in (("same-1", 1.0), ("same-2", 2.0)):
        filled.put(run, "equal", [(0, 3.0)])
        filled.put(run, "other", [(0, last)])
    table = studio_of(filled).open(runs="same", page="table").page.locator("table")
    table.locator("td.most").first.wait_for()
    assert sorted(table.locator("td.most, td.least").all_inner_texts()) == ["1", "2"]


def test_the_jump_lands_on_the_first_nan(filled: Server, studio_of: Pages) -> None:
    """The panel says the step of the first NaN, and not that of its bucket's end."""
    studio = studio_of(filled).open(runs="long")
    assert studio.scene("bad/loss", "points=6000")["width"] > 1
    studio.chart("bad/loss").get_by_role("button", name="first NaN at step 2,521").click()
    panel = studio.page.get_by_label("Values at the cursor")
    assert panel.locator("b").inner_text() == "step 2,521"
    studio.page.reload()
    panel.wait_for()
    assert panel.locator("b").inner_text() == "step 2,521"


def test_averages_say_their_half_life(filled: Server, studio_of: Pages) -> None:
    """A smoothed chart states the half-life, the same at every zoom; each point alike on demand."""
    studio = studio_of(filled).open(runs="short", smooth=0.5)
    whole = studio.scene("train/loss", "smooth=true")
    assert whole["halfLife"] == pytest.approx(1)
    assert "half-life 1 steps" in studio.chart("train/loss").locator("footer").inner_text()
    studio.open(**{"runs": "short", "smooth": 0.5, "from": 100, "to": 110})
    near = studio.scene("train/loss", "inRange=10")
    assert near["halfLife"] == whole["halfLife"]
    assert near["lines"][0]["middle"] == whole["lines"][0]["middle"][100:110]
    studio.page.get_by_role("radio", name="Per point").check(force=True)
    studio.page.wait_for_url("**per_point=1*")
    assert studio.scene("train/loss", "inRange=10")["lines"]
