"""A day with the Studio: the first point, live training, notes, downloads, and the keyboard."""

from __future__ import annotations

import time
from collections.abc import Callable

from .conftest import Server, Studio

Pages = Callable[..., Studio]
Servers = Callable[..., Server]


def test_the_first_point_turns_the_page_into_a_chart(fresh: Servers, studio_of: Pages) -> None:
    """The empty page has code with this server's address; running it brings the chart at once."""
    server = fresh()
    studio = studio_of(server).open()
    code = studio.page.get_by_label("Code").inner_text()
    assert f'endpoint_url="{server.url}"' in code
    studio.page.get_by_text("Listening for the first point").wait_for()
    before = time.monotonic()
    exec(code.replace("time.sleep(0.05)", "").replace("range(200)", "range(20)"), {})
    scene = studio.scene("train/loss", "points=20")
    assert time.monotonic() - before < 8
    assert scene["lines"][0]["id"] == "my-first-run"


def test_live(fresh: Servers, studio_of: Pages) -> None:
    """A point is drawn within a second or so of its put; a pause holds the picture still."""
    server = fresh()
    server.put("run", "loss", [(0, 1.0)], time.time())
    studio = studio_of(server).open()
    studio.scene("loss", "points=1")
    studio.page.get_by_label("live: pause").wait_for()
    waits = []
    for step in range(1, 6):
        before = time.monotonic()
        server.put("run", "loss", [(step, 1.0)], time.time())
        studio.scene("loss", f"points={step + 1}")
        waits.append(time.monotonic() - before)
    assert sorted(waits)[2] < 1.5, waits
    studio.page.keyboard.press(".")
    studio.page.get_by_label("paused: resume").wait_for()
    server.put("run", "loss", [(6, 1.0)], time.time())
    studio.page.wait_for_timeout(1500)
    studio.scene("loss", "points=6")
    studio.page.keyboard.press(".")
    studio.scene("loss", "points=7")


def test_ten_minutes_of_training(fresh: Servers, studio_of: Pages) -> None:
    """After 600 puts into an open page every point is drawn, and the page has not grown."""
    server = fresh()
    begin = time.time() - 600
    server.put("run", "loss", [(0, 1.0)], begin)
    studio = studio_of(server).open()
    studio.scene("loss", "points=1")
    nodes = "() => document.querySelectorAll('*').length"
    before = studio.page.evaluate(nodes)
    asked: list[str] = []
    studio.page.on("request", lambda request: asked.append(request.url))
    for step in range(1, 600):
        server.put("run", "loss", [(step, 1 / (step + 1))], begin + step)
        if step % 50 == 0:
            studio.page.wait_for_timeout(1)
    scene = studio.scene("loss", "points=600")
    line = scene["lines"][0]
    assert sum(line["count"]) == 600
    width = int(scene["width"])
    values = [1 / (step + 1) for step in range(600)]
    for row, bucket in enumerate(line["bucket"]):
        part = values[int(bucket) * width : (int(bucket) + 1) * width]
        assert (line["min"][row], line["max"][row]) == (min(part), max(part))
    assert studio.page.evaluate(nodes) < before + 50
    assert len(asked) < 600


def test_ages(fresh: Servers, studio_of: Pages) -> None:
    """A run that is silent says for how long; one that has put a point just now, how old it is."""
    server = fresh()
    now = time.time()
    server.run("silent")
    server.put("silent", "loss", [(0, 1.0)], now - 250)
    server.run("busy")
    server.put("busy", "loss", [(0, 1.0)], now)
    studio = studio_of(server).open()
    silent = studio.page.locator("[data-run=silent]")
    silent.get_by_text("stalled for 4 min").wait_for()
    assert "running" in studio.page.locator("[data-run=busy]").inner_text()


def test_a_run_is_named_tagged_noted_and_deleted(fresh: Servers, studio_of: Pages) -> None:
    """What is written on the page is on the server, and a deleted run leaves every list."""
    server = fresh()
    server.put("first", "loss", [(step, 1.0) for step in range(10)])
    server.put("second", "loss", [(step, 2.0) for step in range(10)])
    studio = studio_of(server).open(run="first")
    panel = studio.page.get_by_label("Run", exact=True)
    panel.get_by_role("button", name="Rename").click()
    panel.get_by_label("New name").fill("The-best")
    panel.get_by_role("button", name="Save").click()
    studio.page.locator("[data-run=first]").get_by_text("The-best").wait_for()
    panel.get_by_label("New tag").fill("team=vision")
    panel.get_by_label("New tag").press("Enter")
    panel.get_by_text("team: vision").wait_for()
    panel.get_by_label("Step of the note").fill("7")
    panel.get_by_label("New note").fill("Raised the rate here")
    panel.get_by_label("New note").press("Enter")
    panel.get_by_text("Raised the rate here").wait_for()
    kept = server.call("GET", "/api/v1/runs/first")
    assert kept["display_name"] == "The-best"
    assert kept["tags"] == {"team": "vision"}
    assert [(note["step"], note["text"]) for note in kept["notes"]] == [(7, "Raised the rate here")]
    panel.get_by_label("Remove tag team").click()
    panel.get_by_text("team: vision").wait_for(state="detached")
    panel.get_by_role("button", name="Delete").click()
    panel.get_by_role("button", name="Delete for good").click()
    studio.page.locator("[data-run=first]").wait_for(state="detached")
    studio.scene("loss", "lines=1")
    assert [run["name"] for run in server.call("GET", "/api/v1/runs")["runs"]] == ["second"]


def test_downloads(fresh: Servers, studio_of: Pages) -> None:
    """The picture is a PNG with the chart in it; the CSV has the numbers that are drawn."""
    server = fresh()
    server.put("run", "train/loss", [(step, step / 7) for step in range(50)])
    studio = studio_of(server).open()
    scene = studio.scene("train/loss", "points=50")
    chart = studio.chart("train/loss")
    chart.hover()
    with studio.page.expect_download() as download:
        chart.get_by_label("Download PNG").click()
    assert download.value.suggested_filename == "train-loss.png"
    picture = download.value.path().read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 5000
    with studio.page.expect_download() as download:
        chart.get_by_label("Download CSV").click()
    header, *rows = download.value.path().read_text().splitlines()
    names = header.split(",")
    for name, column in (("min", "min"), ("max", "max"), ("mean", "middle")):
        drawn = [float(row.split(",")[names.index(name)]) for row in rows]
        assert drawn == scene["lines"][0][column]


def test_the_keyboard(fresh: Servers, studio_of: Pages) -> None:
    """Every key of the help page does what it says; the address follows, and Back undoes it."""
    server = fresh()
    for name in ("a", "b", "c"):
        server.put(name, "train/loss", [(step, 1.0) for step in range(10)])
    studio = studio_of(server).open()
    studio.scene("train/loss", "lines=3")
    press = studio.page.keyboard.press
    press("?")
    studio.page.get_by_role("dialog", name="Keyboard").wait_for()
    press("Escape")
    studio.page.get_by_role("dialog").wait_for(state="detached")
    for key, name, value in [
        ("l", "y", "log"), ("x", "x", "relative"), ("s", "smooth", "0.6"), ("+", "size", "l"),
        ("t", "page", "table"),
    ]:  # fmt: skip
        press(key)
        assert studio.view()[name] == value
    for _ in range(5):
        press("[")
        studio.page.wait_for_timeout(60)
    assert studio.view() == {}
    studio.scene("train/loss", "axis=step")
    press("j")
    press("j")
    press(" ")
    studio.scene("train/loss", "lines=2")
    assert studio.view()["off"] == "b"
    press("o")
    studio.page.get_by_label("Run", exact=True).get_by_role("heading", name="b").wait_for()
    press("Escape")
    assert "run" not in studio.view()
    press("r")
    studio.page.keyboard.type("a")
    assert studio.view()["runs"] == "a"
    press("Escape")
    studio.over("train/loss").focus()
    press("f")
    press("ArrowRight")
    assert studio.view()["chart"] == "train/loss"
    press("Escape")
    assert "chart" not in studio.view()


def test_themes(fresh: Servers, studio_of: Pages) -> None:
    """The theme is the machine's until one is chosen, and the choice stays."""
    server = fresh()
    server.put("run", "loss", [(0, 1.0)])
    studio = studio_of(server, color_scheme="dark").open()
    theme = "() => document.documentElement.dataset.theme"
    studio.chart("loss").wait_for()
    assert studio.page.evaluate(theme) == "dark"
    studio.page.get_by_label("Theme: auto").click()
    assert studio.page.evaluate(theme) == "light"
    studio.page.reload()
    studio.chart("loss").wait_for()
    assert studio.page.evaluate(theme) == "light"
