"""A view saved as one file: opened from the disk, without a server, it shows the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Server, Studio

Pages = Callable[..., Studio]
Servers = Callable[..., Server]

STEPS = 1000
HOSTILE = "</script><script>alert(1)</script>"


def test_a_saved_view(fresh: Servers, studio_of: Pages, tmp_path: Path) -> None:
    """All charts, runs, notes and the table are in it, to the last digit; it asks nobody."""
    server = fresh()
    for name, rate in (("one", 0.1), ("two", 0.2)):
        server.run(name, rate=rate, model=HOSTILE)
        for metric in ("train/loss", "val/acc"):
            server.put(name, metric, [(step, rate * step**0.5) for step in range(STEPS)])
    server.put("left-out", "train/loss", [(0, 1.0)])
    note = {"step": 40, "text": HOSTILE}
    server.call("POST", "/api/v1/runs/one/notes", note, **{"x-stepwell-csrf": "1"})
    studio = studio_of(server).open(runs="one|two", smooth=0.9, y="log", off="left-out")
    scenes = {metric: studio.scene(metric, "smooth=true") for metric in ("train/loss", "val/acc")}
    studio.scene("train/loss", "notes=1")
    with studio.page.expect_download() as download:
        studio.page.get_by_label("Save the view").click()
    assert download.value.suggested_filename == "stepwell-view.html"
    file = tmp_path / "saved.html"
    download.value.save_as(file)
    studio.page.close()
    opened = studio_of(f"file://{file}", offline=True)
    asked: list[str] = []
    opened.page.on("request", lambda request: asked.append(request.url))
    opened.page.goto(f"file://{file}")
    for metric, before in scenes.items():
        scene = opened.scene(metric, "smooth=true")
        for line, old in zip(scene["lines"], before["lines"], strict=True):
            assert line["id"] == old["id"]
            # The file has finer buckets than a small chart; each is of the server's numbers.
            assert (min(line["min"]), max(line["max"])) == (min(old["min"]), max(old["max"]))
            assert line["middle"][-1] == pytest.approx(old["middle"][-1], rel=1e-12)
            assert sum(line["count"]) == STEPS
        assert (scene["scale"], scene["points"]) == ("log", 2 * STEPS)
    assert opened.scene("train/loss", "notes=1")["notes"][0]["text"] == HOSTILE
    assert opened.page.locator("[data-run]").count() == 2
    opened.drag("train/loss", 0.25, 0.5)
    opened.page.wait_for_function("() => location.hash.includes('from=')")
    assert opened.scene("val/acc")["x"][0] > 0
    opened.page.keyboard.press("[")
    opened.page.wait_for_function("() => !location.hash.includes('from=')")
    opened.page.keyboard.press("t")
    opened.page.get_by_role("row", name="two").get_by_text("0.2", exact=True).wait_for()
    assert all(url.startswith(("file://", "data:")) for url in asked)
    assert len([url for url in asked if url.startswith("file://")]) == 1
