"""What the page says of what is gone or asked for in vain; fields that take the keyboard."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import Server, Studio

Pages = Callable[..., Studio]
Servers = Callable[..., Server]


def test_renaming_takes_the_keyboard(fresh: Servers, studio_of: Pages) -> None:
    """The field has the focus; Escape cancels, Enter saves, and no key is a shortcut."""
    server = fresh()
    server.put("run", "loss", [(step, 1.0) for step in range(10)])
    studio = studio_of(server).open(run="run")
    studio.page.get_by_role("button", name="Rename").click()
    studio.page.keyboard.type("xylst")
    studio.page.keyboard.press("Escape")
    studio.page.get_by_label("New name").wait_for(state="detached")
    assert studio.view() == {"run": "run"}
    studio.page.get_by_role("button", name="Rename").click()
    studio.page.keyboard.type("xylst")
    studio.page.keyboard.press("Enter")
    studio.page.locator("[data-run=run]").get_by_text("xylst").wait_for()
    assert studio.view() == {"run": "run"}


def test_what_is_gone(fresh: Servers, studio_of: Pages) -> None:
    """A baseline that is not there can be cleared; points of a deleted run say so."""
    server = fresh()
    for name in ("kept", "gone"):
        server.put(name, "loss", [(step, 1.0) for step in range(10)])
    view = {"base": "gone", "points": '["gone","loss",0,20]'}
    studio = studio_of(server, tolerant=True).open(**view)
    studio.page.get_by_text("10 points", exact=False).first.wait_for()
    assert studio.page.get_by_text("is not there").count() == 0
    server.call("DELETE", "/api/v1/runs/gone", **{"x-stepwell-csrf": "1"})
    studio.page.get_by_text("it may have been deleted").wait_for()
    studio.page.get_by_text("The baseline gone is not there").wait_for()
    studio.page.get_by_role("button", name="Clear the baseline").click()
    studio.page.get_by_text("is not there: curves").wait_for(state="detached")
    assert "base" not in studio.view()


def test_a_target_that_nobody_reaches(fresh: Servers, studio_of: Pages) -> None:
    """Its column stands beside the runs, and the page says why it is empty."""
    server = fresh()
    server.run("run", rate=1.0)
    server.put("run", "loss", [(step, 1.0) for step in range(10)])
    studio = studio_of(server).open(page="table", target="loss < 0.5")
    studio.page.get_by_text("No run has got there yet.").wait_for()
    assert "loss < 0.5" in studio.page.locator("thead th").nth(1).inner_text()
    studio.page.get_by_label("Time to").fill("nope < 0.5")
    studio.page.get_by_text("These runs have no metric nope.").wait_for()
