"""The live feed as many pages have it: one connection for all of a browser."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Page

from .conftest import Server, Studio

Pages = Callable[..., Studio]
Servers = Callable[..., Server]

#: More than the connections that a browser keeps to a server over HTTP/1.1.
PAGES = 8
#: A few seconds on a machine that does much else.
UPDATE_S_MAX = 6.0


def another(studio: Studio) -> Studio:
    """Open one more page in the same browser."""
    page: Page = studio.page.context.new_page()
    page.set_default_timeout(15_000)
    return Studio(page, studio.url).open()


def test_eight_pages_at_once(fresh: Servers, studio_of: Pages) -> None:
    """All of them load, and all show a new point soon, also when the first ones are closed."""
    server = fresh()
    server.put("run", "loss", [(step, 1.0) for step in range(10)])
    first = studio_of(server).open()
    pages = [first, *(another(first) for _ in range(PAGES - 1))]
    for each in pages:
        each.scene("loss", "points=10")
        each.page.get_by_label("live: pause").wait_for()
        assert each.page.evaluate("document.visibilityState") == "visible"
    # What changed while the pages were opened is read.
    first.page.wait_for_timeout(2000)
    server.put("run", "loss", [(step, 1.0) for step in range(10, 15)])
    begun = time.monotonic()
    for each in pages:
        each.scene("loss", "points=15")
    took_s = time.monotonic() - begun
    assert took_s < UPDATE_S_MAX
    for each in pages[:-1]:
        each.page.close()
    server.put("run", "loss", [(step, 1.0) for step in range(15, 20)])
    pages[-1].scene("loss", "points=20")


def test_a_page_that_comes_back(fresh: Servers, studio_of: Pages) -> None:
    """A page that was left and is gone back to follows again, and has what came meanwhile."""
    server = fresh()
    server.put("run", "loss", [(step, 1.0) for step in range(10)])
    studio = studio_of(server).open()
    studio.scene("loss", "points=10")
    studio.page.goto("about:blank")
    server.put("run", "loss", [(step, 1.0) for step in range(10, 15)])
    studio.page.go_back()
    studio.scene("loss", "points=15")
    server.put("run", "loss", [(step, 1.0) for step in range(15, 20)])
    studio.scene("loss", "points=20")


def test_without_shared_workers(fresh: Servers, studio_of: Pages) -> None:
    """A browser that has none of them follows all the same, page by page."""
    server = fresh()
    server.put("run", "loss", [(step, 1.0) for step in range(10)])
    studio = studio_of(server)
    studio.page.add_init_script("delete window.SharedWorker")
    studio.open()
    studio.scene("loss", "points=10")
    server.put("run", "loss", [(step, 1.0) for step in range(10, 15)])
    studio.scene("loss", "points=15")
