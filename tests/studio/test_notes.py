"""Notes on curves: written in one place, seen in every chart of the run."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import BEGIN_S, Server, Studio

Pages = Callable[..., Studio]
Servers = Callable[..., Server]

STEPS = 100
HOSTILE = "<img src=x onerror=alert(1)> \u202etxt"


def test_notes_on_the_curves(fresh: Servers, studio_of: Pages) -> None:
    """A note from the API is a mark in each chart of its run at once, and on every axis."""
    server = fresh()
    for metric in ("train/loss", "train/acc"):
        server.put("run", metric, [(step, 1.0) for step in range(STEPS)], every_s=2)
    server.put("other", "train/loss", [(step, 2.0) for step in range(STEPS)])
    studio = studio_of(server).open()
    studio.scene("train/loss", "lines=2")
    studio.page.get_by_label("live: pause").wait_for()
    for step, text, metric in [(40, HOSTILE, None), (60, "Loss only", "train/loss")]:
        note = {"step": step, "text": text, "metric": metric}
        server.call("POST", "/api/v1/runs/run/notes", note, **{"x-stepwell-csrf": "1"})
    marks = studio.scene("train/loss", "notes=2")["notes"]
    assert [(mark["x"], mark["step"], mark["line"]) for mark in marks] == [
        (40, 40, "run"), (60, 60, "run"),
    ]  # fmt: skip
    assert [mark["step"] for mark in studio.scene("train/acc", "notes=1")["notes"]] == [40]
    heard = studio.over("train/loss").get_attribute("aria-label") or ""
    assert "2 notes: step 40 of run: <img src=x onerror=alert(1)> ⟨202E⟩txt; step 60" in heard
    studio.point_at("train/loss", 0.6)
    panel = studio.page.get_by_label("Values at the cursor")
    panel.get_by_text("step 60 of run: Loss only").wait_for()
    studio.open(x="relative")
    assert [mark["x"] for mark in studio.scene("train/loss", "notes=2")["notes"]] == [80e3, 120e3]
    studio.open(x="wall")
    wall = studio.scene("train/acc", "notes=1")["notes"]
    assert [mark["x"] for mark in wall] == [(BEGIN_S + 80) * 1000]
    assert studio.page.locator("img").count() == 0


def test_a_note_is_written_where_the_cursor_is(fresh: Servers, studio_of: Pages) -> None:
    """By keyboard: m at the cursor, the text, Enter; a step that is none is refused in words."""
    server = fresh()
    server.put("run", "train/loss", [(step, 1.0) for step in range(STEPS)])
    studio = studio_of(server).open()
    studio.scene("train/loss", f"points={STEPS}")
    studio.over("train/loss").focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowRight", "m"):
        studio.page.keyboard.press(key)
    studio.page.get_by_label("Note for the curve").wait_for()
    studio.page.keyboard.type("Lowered the rate")
    studio.page.get_by_label("Step of the note").fill("-1")
    studio.page.get_by_label("Step of the note").press("Enter")
    studio.page.get_by_text("A step is a whole number, 0 or more.").wait_for()
    studio.page.get_by_label("Step of the note").fill("3")
    studio.page.get_by_label("Step of the note").press("Enter")
    studio.page.get_by_text("Noted.").wait_for()
    (mark,) = studio.scene("train/loss", "notes=1")["notes"]
    assert (mark["x"], mark["text"]) == (3, "Lowered the rate")
    (kept,) = server.call("GET", "/api/v1/runs/run")["notes"]
    assert (kept["step"], kept["text"], kept["metric"]) == (3, "Lowered the rate", None)
