"""What people and networks do to a page: hostile names, edited addresses, servers that go away."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .conftest import Server, Studio

Pages = Callable[..., Studio]
Servers = Callable[..., Server]

JSON = {"content-type": "application/json", "x-stepwell-csrf": "1"}

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "train/{{constructor.constructor('alert(1)')()}}",
    "🙂" * 63,
    "a/b//../..%2f?x=1&y=2#z",
    "right\u202eot\u202c-left",
    "quote'\"`\\ and\ttab",
    "   ",
    "__proto__",
    "constructor",
]


def allowed(server: Server, names: list[str]) -> list[str]:
    """Put a point into each metric; give those names that the server takes."""
    taken = []
    for name in names:
        point = {"MetricName": name, "Timestamp": 1_795_000_000, "Step": 0, "Value": 1.0}
        body = {"TrialComponentName": "hostile", "MetricData": [point]}
        if not server.call("PUT", "/BatchPutMetrics", body).get("Errors"):
            taken.append(name)
    return taken


def test_hostile_names(fresh: Servers, studio_of: Pages) -> None:
    """Names are text everywhere they are shown, and nothing in them hides."""
    server = fresh()
    names = allowed(server, HOSTILE)
    assert len(names) > 4
    studio = studio_of(server)
    alerts: list[str] = []
    studio.page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    for name in names:
        studio.open(chart=name, run="hostile")
        studio.page.locator("[role=application]").wait_for()
        scene = studio.scene(name, "points=1")
        assert scene["metric"] == name
        studio.page.keyboard.press("Escape")
    studio.open()
    studio.page.locator("[data-metric]").first.wait_for()
    assert studio.page.locator("img, b:not(.where b)").count() == 0
    studio.open(page="table")
    studio.page.get_by_role("table").wait_for()
    assert not alerts
    if any("\u202e" in name for name in names):
        studio.page.get_by_role("table").get_by_text("⟨202E⟩").first.wait_for()


@pytest.mark.parametrize(
    "address",
    [
        "?x=sideways&y=up&smooth=9&from=z&to=Infinity&size=xxl&sort=",
        "?points=%5B1%2C2",
        "?points=%5B%22gone%22%2C%22gone%22%2C0%2C5%5D",
        "?run=gone&base=gone&group=gone&chart=gone",
        "?runs=%28&metrics=%5B",
        "?%ff=%fe&on=%00&at=1e309&on_chart=loss",
        "?from=1e300&to=2e300",
        "?experiment=gone",
        "?page=table&target=%3C%3C%3Cnan&seeds=fold&band=99&color=constructor",
        "?group=__proto__&color=__proto__&median=1&smooth=0.999&seeds=7",
    ],
)
def test_an_address_edited_by_hand(server: Server, studio_of: Pages, address: str) -> None:
    """Whatever stands in the address, the page comes up and says what it has."""
    server.put("run", "loss", [(step, 1.0) for step in range(10)])
    studio = studio_of(server, tolerant=True)
    studio.page.goto(server.url + "/" + address)
    studio.page.get_by_label("Filter runs by regular expression").wait_for()
    studio.page.wait_for_timeout(500)
    assert studio.page.locator("main").count() == 1


def test_the_server_goes_and_comes_back(fresh: Servers, studio_of: Pages) -> None:
    """What was drawn stays, the page says so, and goes on by itself."""
    server = fresh()
    server.put("run", "loss", [(step, 1.0) for step in range(10)])
    studio = studio_of(server, tolerant=True).open()
    studio.scene("loss", "points=10")
    server.stop()
    studio.page.get_by_label("no connection: pause").wait_for()
    studio.page.keyboard.press("s")
    studio.page.get_by_text("The server does not answer.").first.wait_for()
    studio.scene("loss", "points=10")
    server.start()
    server.put("run", "loss", [(step, 1.0) for step in range(10, 15)])
    studio.scene("loss", "points=15")
    studio.page.get_by_role("alert").wait_for(state="detached")


def test_a_run_deleted_while_open(fresh: Servers, studio_of: Pages) -> None:
    """Its line, its row and its details go; the others stay."""
    server = fresh()
    for name in ("kept", "gone"):
        server.put(name, "loss", [(step, 1.0) for step in range(10)])
    studio = studio_of(server, tolerant=True).open(run="gone")
    studio.scene("loss", "lines=2")
    server.call("DELETE", "/api/v1/runs/gone", **{"x-stepwell-csrf": "1"})
    studio.page.locator("[data-run=gone]").wait_for(state="detached")
    studio.scene("loss", "lines=1")
    studio.page.get_by_text("may have been deleted").wait_for()


EXTREMES = {
    "one": [(0, 3.0)],
    "nan": [(step, math.nan) for step in range(50)],
    "infinite": [(step, math.inf if step % 2 else -math.inf) for step in range(50)],
    "huge": [(step, 10.0 ** (12 * step - 300)) for step in range(51)],
    "signs": [(step, (-1) ** step * 1.7e308) for step in range(50)],
    "least": [(step, 5e-324 * step) for step in range(50)],
    "backwards": [(step, float(step)) for step in range(50, 0, -1)],
    "same": [(7, float(value)) for value in range(50)],
    "far": [(0, 1.0), (2**53 - 1, 2.0)],
}


@pytest.mark.parametrize("scale", ["linear", "log", "arcsinh", "robust"])
def test_extreme_values(server: Server, studio_of: Pages, scale: str) -> None:
    """One point, no number at all, from 1e-300 to 1e300: each chart is drawn and counts them."""
    for name, curve in EXTREMES.items():
        if scale == "linear":
            server.put("extreme", name, curve)
    studio = studio_of(server).open(runs="extreme", y=scale, size="s")
    for name, curve in EXTREMES.items():
        studio.page.get_by_label("Filter charts by regular expression").fill(f"^{name}$")
        scene = studio.scene(name, f"points={len(curve)}")
        assert sum(scene["lines"][0]["count"]) == len(curve)
        assert all(math.isfinite(each) for each in [*scene["x"], *scene["y"]])
        labels = studio.over(name).get_attribute("aria-label")
        assert f"{len(curve)} of {len(curve)} point" in labels


def test_time_going_backwards(server: Server, studio_of: Pages) -> None:
    """Points whose clock went back are all there, over wall time too."""
    server.put("clock", "loss", [(step, float(step)) for step in range(50)], every_s=-1)
    studio = studio_of(server).open(runs="clock", x="wall")
    scene = studio.scene("loss", "points=50")
    assert sum(scene["lines"][0]["count"]) == 50


def test_ten_thousand_metrics(fresh: Servers, studio_of: Pages) -> None:
    """All are there to be found, and only those on the screen are made."""
    server = fresh()
    points = [
        {
            "MetricName": f"layer{i:04}/norm",
            "Timestamp": 1_795_000_000,
            "Step": 0,
            "Value": float(i),
        }
        for i in range(10_000)
    ]
    server.call("PUT", "/BatchPutMetrics", {"TrialComponentName": "wide", "MetricData": points})
    studio = studio_of(server).open()
    studio.page.locator("[data-metric]").first.wait_for()
    assert studio.page.locator("[data-metric]").count() < 60
    studio.page.get_by_label("Filter charts by regular expression").fill("layer9876/")
    scene = studio.scene("layer9876/norm", "points=1")
    assert scene["lines"][0]["max"] == [9876.0]


#: What every object in JavaScript has.
INHERITED = ["constructor", "toString", "__proto__", "hasOwnProperty", "valueOf"]


def test_names_that_every_object_has(fresh: Servers, studio_of: Pages, tmp_path: Path) -> None:
    """Runs, metrics, parameters and tags called `constructor` and the like are shown."""
    server = fresh()
    server.run("plain", rate=1.0)
    server.run("constructor", **{name: index / 8 for index, name in enumerate(INHERITED)})
    for run in ("plain", "constructor", "toString", "valueOf"):
        server.put(run, "loss", [(step, 1.0) for step in range(10)])
    for name in INHERITED:
        server.put("constructor", name, [(step, 2.0) for step in range(10)])
    tags = {"tags": {name: name for name in INHERITED}}
    server.call("PATCH", "/api/v1/runs/constructor", tags, **JSON)
    studio = studio_of(server).open(run="constructor", sort="difference", base="constructor")
    for name in INHERITED:
        studio.scene(name, "points=10")
        studio.page.get_by_text(f"{name}: {name}", exact=True).wait_for()
    assert len(studio.scene("loss", "points=40")["lines"]) == 4
    for name in INHERITED:
        studio.open(page="table", by=f"p:{name}")
        row = studio.page.get_by_role("row", name="constructor", exact=False).first
        row.wait_for()
    # Name, six parameters, six metrics, points and age.
    expect(studio.page.locator("thead th")).to_have_count(15)
    studio.page.get_by_role("row").filter(has_text="plain").get_by_text("–").nth(4).wait_for()
    studio.open(group="toString", color="valueOf")
    studio.scene("loss", "lines=2")
    with studio.page.expect_download() as download:
        studio.page.keyboard.press("w")
    file = tmp_path / "view.html"
    download.value.save_as(file)
    again = studio_of(f"file://{file}")
    again.page.goto(f"file://{file}")
    again.scene("loss", "lines=2")


#: Whatever draws a curve in this one chart fails.
BREAK = """
    const stroke = CanvasRenderingContext2D.prototype.stroke
    CanvasRenderingContext2D.prototype.stroke = function (...given) {
        if (window.breaks && this.canvas.closest('[data-metric="bad"]')) throw new Error('too thin')
        return stroke.apply(this, given)
    }
    window.breaks = true
"""


def test_a_chart_that_cannot_be_drawn(fresh: Servers, studio_of: Pages) -> None:
    """It says so, the others are drawn and go on, and it comes back when it can be drawn."""
    server = fresh()
    metrics = ["a", "bad", "c", "d"]
    for metric in metrics:
        server.put("run", metric, [(step, step) for step in range(10)])
    studio = studio_of(server, tolerant=True)
    studio.page.add_init_script(BREAK)
    studio.open()
    studio.chart("bad").get_by_text("This chart cannot be drawn: too thin").wait_for()
    for metric in ("a", "c", "d"):
        studio.scene(metric, "points=10")
        server.put("run", metric, [(step, step) for step in range(10, 20)])
        studio.scene(metric, "points=20")
    studio.page.evaluate("window.breaks = false")
    server.put("run", "bad", [(step, step) for step in range(10, 20)])
    studio.scene("bad", "points=20")
    studio.chart("bad").get_by_text("This chart cannot be drawn").wait_for(state="detached")
