"""What is drawn is what was put: every point, at every zoom, smoothed or not."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable

import pytest

from .conftest import Server, Studio

POINTS = 10_000
SPIKE = 7777

Pages = Callable[..., Studio]


def noisy(seed: int, count: int = POINTS) -> list[tuple[int, float]]:
    """Make a curve with one spike that no sampling may lose."""
    chance = random.Random(seed)
    curve = [(step, 4 * math.exp(-step / 2000) + chance.gauss(0, 0.1)) for step in range(count)]
    if count > SPIKE:
        curve[SPIKE] = (SPIKE, 99.5)
    return curve


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    """Give a server with two noisy runs, one that meets NaN, and one that was resumed."""
    server.put("noisy-1", "train/loss", noisy(1))
    server.put("noisy-2", "train/loss", noisy(2))
    bad = [(step, math.nan if step >= 412 else 1 / (step + 1)) for step in range(1000)]
    bad[500] = (500, math.inf)
    server.put("bad", "train/bad", bad)
    server.put("resumed", "train/resumed", [*noisy(3, 600), *noisy(4, 900)[500:]])
    return server


def test_every_point_is_in_the_chart(filled: Server, studio_of: Pages) -> None:
    """Each bucket has the exact least, most, mean and count of the points that were put into it."""
    studio = studio_of(filled).open(runs="noisy-1")
    scene = studio.scene("train/loss", f"points={POINTS}")
    (line,) = scene["lines"]
    assert sum(line["count"]) == POINTS == scene["inRange"]
    put = [value for _, value in noisy(1)]
    width = int(scene["width"])
    for row, bucket in enumerate(line["bucket"]):
        part = put[int(bucket) * width : (int(bucket) + 1) * width]
        assert line["min"][row] == min(part)
        assert line["max"][row] == max(part)
        assert line["count"][row] == len(part)
        assert line["middle"][row] == pytest.approx(math.fsum(part) / len(part), rel=1e-12)
    assert max(line["max"]) == 99.5
    chart = studio.chart("train/loss")
    assert f"10,000 of 10,000 points; widest bucket {width}" in chart.inner_text()


def test_zoom_reads_the_points_again(filled: Server, studio_of: Pages) -> None:
    """A drag gives finer buckets for all charts, a double click the whole axis, Back the zoom."""
    studio = studio_of(filled).open(runs="noisy-1")
    whole = studio.scene("train/loss", f"points={POINTS}")
    studio.drag("train/loss", 0.7, 0.8)
    near = studio.scene("train/loss", "width=4")
    assert near["width"] < whole["width"]
    low, high = near["x"]
    assert 6900 < low < 7100
    assert 7900 < high < 8100
    # The server widens a range to whole buckets.
    inside = [value for _, value in noisy(1)[int(near["start"]) : int(near["stop"])]]
    assert near["inRange"] == len(inside)
    assert max(near["lines"][0]["max"]) == max(inside) == 99.5
    studio.over("train/loss").dblclick()
    studio.scene("train/loss", f"inRange={POINTS}")
    studio.page.go_back()
    assert studio.scene("train/loss", "width=4")["x"] == [low, high]


def test_a_click_lists_the_points_of_the_bucket(filled: Server, studio_of: Pages) -> None:
    """The table has the very points, with step, time and all digits, and downloads them."""
    studio = studio_of(filled).open(**{"runs": "noisy-1", "from": 7770, "to": 7790})
    studio.scene("train/loss", "width=1")
    studio.point_at("train/loss", (SPIKE - 7770) / 20, 0.1)
    studio.page.mouse.down()
    studio.page.mouse.up()
    panel = studio.page.get_by_label("Points of the bucket")
    row = panel.locator("tbody tr")
    row.first.wait_for()
    assert row.count() == 1
    step, _, value = row.locator("td").all_inner_texts()
    assert (step, value) == ("7,777", "99.5")
    with studio.page.expect_download() as download:
        panel.get_by_role("link", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 2
    assert "99.5" in lines[1]


def debiased(values: list[float], weight: float) -> list[float]:
    """Average as the reference says: exponential, without a bias to its start."""
    total, mass, found = 0.0, 0.0, []
    for value in values:
        total = total * weight + value
        mass = mass * weight + 1
        found.append(total / mass)
    return found


def smooth_in_csv(studio: Studio) -> list[float]:
    """Download a chart and give its column of averages."""
    with studio.page.expect_download() as download:
        studio.chart("train/loss").hover()
        studio.chart("train/loss").get_by_label("Download CSV").click()
    header, *rows = download.value.path().read_text().splitlines()
    at = header.split(",").index("smooth")
    return [float(row.split(",")[at]) for row in rows]


def test_smoothing_is_the_same_at_every_zoom(filled: Server, studio_of: Pages) -> None:
    """The average is over all history; near and far show the same numbers, and so does the CSV."""
    view = {"runs": "noisy-1", "smooth": 0.99}
    studio = studio_of(filled).open(**view)
    line = studio.scene("train/loss", "smooth=true")["lines"][0]
    expected = debiased([value for _, value in noisy(1)], 0.99)
    width = int(studio.scene("train/loss")["width"])
    for row, bucket in enumerate(line["bucket"]):
        last = min(POINTS, (int(bucket) + 1) * width) - 1
        assert line["middle"][row] == pytest.approx(expected[last], rel=1e-9)
    assert smooth_in_csv(studio) == line["middle"]
    studio.open(**view, **{"from": 9000, "to": 9050})
    near = studio.scene("train/loss", "width=1")["lines"][0]
    assert near["middle"] == pytest.approx(expected[9000:9050], rel=1e-9)


def test_medians_are_the_same_at_every_zoom(filled: Server, studio_of: Pages) -> None:
    """The rolling median is over all history, near and far, in the chart and in the CSV."""
    view = {"runs": "noisy-1", "smooth": 0.99}
    studio = studio_of(filled).open(**view)
    studio.scene("train/loss", "smooth=true")
    studio.page.get_by_role("radio", name="Median").check(force=True)
    values = [value for _, value in noisy(1)]
    expected = [statistics.median(values[max(0, at - 100) : at + 1]) for at in range(POINTS)]
    width = int(studio.scene("train/loss")["width"])
    studio.page.wait_for_url("**median=1*")
    last = expected[-1]
    studio.scene("train/loss", f"last={last!r}")
    line = studio.scene("train/loss")["lines"][0]
    for row, bucket in enumerate(line["bucket"]):
        assert line["middle"][row] == expected[min(POINTS, (int(bucket) + 1) * width) - 1]
    assert smooth_in_csv(studio) == line["middle"]
    studio.open(**view, **{"median": 1, "from": 7770, "to": 7820})
    near = studio.scene("train/loss", "width=1")["lines"][0]
    assert near["middle"] == expected[7770:7820]


def test_arcsinh(filled: Server, studio_of: Pages) -> None:
    """An axis for values of both signs and all sizes: zero and powers of ten stand on it."""
    curve = [(step, (-1) ** step * 10.0 ** (step % 7 - 3)) for step in range(300)]
    filled.put("signed", "train/signed", curve)
    studio = studio_of(filled).open(runs="signed", metrics="signed")
    studio.scene("train/signed", "points=300")
    studio.page.get_by_role("radio", name="Arcsinh").check(force=True)
    scene = studio.scene("train/signed", "scale=arcsinh")
    assert scene["threshold"] == 1
    low, high = scene["y"]
    assert low < -1000 < 1000 < high < 2500
    assert scene["above"]["buckets"] == scene["below"]["buckets"] == 0
    assert math.asinh(low) == pytest.approx(-math.asinh(high), rel=1e-3)


def test_nan_is_an_event(filled: Server, studio_of: Pages) -> None:
    """The chart says where the first NaN is, draws no line over it, and a key goes there."""
    studio = studio_of(filled).open(runs="^bad$")
    scene = studio.scene("train/bad", "points=1000")
    assert scene["bad"] == 588
    assert scene["firstBad"]["step"] == 412
    line = scene["lines"][0]
    beyond = [m for x, m in zip(line["x"], line["middle"], strict=True) if x > 416]
    assert all(math.isnan(each) for each in beyond)
    assert "first NaN at step 412" in studio.chart("train/bad").inner_text()
    studio.over("train/bad").focus()
    studio.page.keyboard.press("n")
    studio.page.wait_for_url("**at=412*")
    assert "step 41" in studio.page.get_by_label("Values at the cursor").inner_text()
    studio.open(nan=1)
    studio.chart("train/bad").wait_for()
    assert studio.chart("train/loss").count() == 0
    studio.page.get_by_role("button", name="NaN", exact=True).click()
    assert studio.page.locator("[data-run]").count() == 1


def test_the_robust_axis_hides_nothing_silently(filled: Server, studio_of: Pages) -> None:
    """Quantiles make the axis, and the chart says how many points are outside and how far."""
    studio = studio_of(filled).open(runs="noisy-1", y="robust")
    scene = studio.scene("train/loss", "scale=robust")
    values = sorted(value for _, value in noisy(1))
    first, last = values[round(0.01 * (POINTS - 1))], values[round(0.99 * (POINTS - 1))]
    pad = 0.05 * (last - first)
    assert scene["y"] == pytest.approx([first - pad, last + pad], rel=1e-12)
    above = sum(value > scene["y"][1] for value in values)
    below = sum(value < scene["y"][0] for value in values)
    assert (scene["above"]["points"], scene["below"]["points"]) == (above, below)
    assert above > below == 0
    assert scene["above"]["extreme"] == 99.5
    text = studio.chart("train/loss").inner_text()
    assert f"▲ {above} points, up to 99.5" in text
    assert "▼" not in text
    heard = studio.over("train/loss").get_attribute("aria-label") or ""
    assert f"Above the axis: {above} points, up to 99.5." in heard


@pytest.mark.parametrize(("axis", "span"), [("relative", 9_999_000), ("wall", 9_999_000)])
def test_other_axes(filled: Server, studio_of: Pages, axis: str, span: float) -> None:
    """Relative and wall time have the same points, and the cursor speaks their units."""
    studio = studio_of(filled).open(runs="noisy-1", x=axis)
    scene = studio.scene("train/loss", f"points={POINTS}")
    assert scene["axis"] == axis
    low, high = scene["x"]
    assert high - low == pytest.approx(span, rel=0.01)
    assert max(scene["lines"][0]["max"]) == 99.5


def test_a_resumed_run(filled: Server, studio_of: Pages) -> None:
    """Steps that were walked twice are all there, and the restart is marked."""
    studio = studio_of(filled).open(runs="resumed")
    scene = studio.scene("train/resumed", "points=1000")
    assert scene["lines"][0]["restarts"] == [500]


def test_the_cursor(filled: Server, studio_of: Pages) -> None:
    """The panel sorts by value; arrows step through points; it is pinned in the address."""
    studio = studio_of(filled, permissions=["clipboard-read", "clipboard-write"])
    studio.open(**{"runs": "noisy", "from": 100, "to": 140})
    scene = studio.scene("train/loss", "width=1")
    studio.point_at("train/loss", 0.5)
    panel = studio.page.get_by_label("Values at the cursor")
    panel.wait_for()
    values = [float(each.inner_text()) for each in panel.locator("tbody td:nth-child(3)").all()]
    assert values == sorted(values, reverse=True)
    studio.over("train/loss").focus()
    studio.page.keyboard.press("Home")
    studio.page.keyboard.press("ArrowRight")
    studio.page.keyboard.press("ArrowRight")
    assert "step 102" in panel.inner_text()
    studio.page.keyboard.press("p")
    studio.page.wait_for_url("**at=102*")
    studio.page.mouse.move(5, 5)
    assert "step 102" in panel.inner_text()
    studio.page.keyboard.press("c")
    studio.page.wait_for_timeout(200)
    copied = studio.page.evaluate("() => navigator.clipboard.readText()").splitlines()
    numbers = {row.split("\t")[0]: float(row.split("\t")[2]) for row in copied[1:]}
    assert numbers == {"noisy-1": noisy(1)[102][1], "noisy-2": noisy(2)[102][1]}
    studio.page.reload()
    panel.wait_for()
    assert "step 102" in panel.inner_text()
    assert len(scene["lines"]) == 2
