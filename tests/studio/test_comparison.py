"""Many runs and many charts: find, sort, group and compare them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Route

from .conftest import Server, Studio

RUNS = {
    "slow-1": (0.01, 1), "slow-2": (0.01, 2), "fast-1": (0.1, 1), "fast-2": (0.1, 2),
}  # fmt: skip
STEPS = 200

Pages = Callable[..., Studio]
Fresh = Callable[..., Server]


def loss(rate: float, seed: int) -> list[tuple[int, float]]:
    """Make a curve that depends on its parameters only."""
    return [(step, 1 / (1 + rate * step) + 0.01 * seed) for step in range(STEPS)]


@pytest.fixture(scope="module")
def sweep(server: Server) -> Iterator[Server]:
    """Give a server with four runs of two learning rates."""
    server.control("CreateExperiment", ExperimentName="sweep")
    server.control("CreateTrial", TrialName="sweep-1", ExperimentName="sweep")
    for name, (rate, seed) in RUNS.items():
        server.run(name, learning_rate=rate, seed=float(seed), model="mlp")
        server.control("AssociateTrialComponent", TrialComponentName=name, TrialName="sweep-1")
        server.put(name, "train/loss", loss(rate, seed))
        server.put(name, "train/constant", [(step, 1.0) for step in range(STEPS)])
        server.put(name, "val:accuracy", [(step, rate) for step in range(0, STEPS, 20)])
    server.put("other", "lonely", [(0, 1.0)])
    return server


def headings(studio: Studio) -> list[str]:
    """Give the sections' names in order."""
    return [each.inner_text().split("\n")[0] for each in studio.page.locator("h2 button").all()]


def test_sections_fold_and_filter(sweep: Server, studio_of: Pages) -> None:
    """Charts stand in sections by prefix, fold, and pass a regular expression typed with /."""
    studio = studio_of(sweep).open()
    studio.chart("train/loss").wait_for()
    assert headings(studio) == ["train", "val", "Other"]
    studio.page.get_by_role("button", name="train").click()
    studio.chart("train/loss").wait_for(state="detached")
    studio.page.reload()
    studio.chart("val:accuracy").wait_for()
    assert studio.chart("train/loss").count() == 0
    studio.open()
    studio.chart("train/loss").wait_for()
    studio.page.keyboard.press("/")
    studio.page.keyboard.type("loss$|acc")
    studio.chart("train/constant").wait_for(state="detached")
    assert headings(studio) == ["train", "val"]
    assert studio.view()["metrics"] == "loss$|acc"


def test_what_differs_most_comes_first(sweep: Server, studio_of: Pages) -> None:
    """Sorted by difference, the constant comes last; sorting is in the address."""
    studio = studio_of(sweep).open(runs="slow|fast")
    studio.chart("train/constant").wait_for()
    studio.page.get_by_label("Sort").select_option("difference")
    studio.page.get_by_role("heading", name="All charts").wait_for()
    studio.page.wait_for_function(
        "() => document.querySelector('[data-metric]').dataset.metric !== 'train/constant'"
    )
    shown = studio.page.eval_on_selector_all(
        "[data-metric]", "cards => cards.map((card) => card.dataset.metric)"
    )
    assert shown[-1] == "train/constant"
    assert studio.view()["sort"] == "difference"


def test_charts_wait_for_their_order(sweep: Server, studio_of: Pages) -> None:
    """Until the ranks have come charts keep their order; a sorted page says that it sorts."""
    studio = studio_of(sweep).open(runs="slow|fast")
    studio.chart("train/constant").wait_for()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    studio.page.route("**/metrics:rank", hold)
    with studio.page.expect_request("**/metrics:rank"):
        studio.page.get_by_label("Sort").select_option("difference")
    studio.page.wait_for_timeout(200)
    assert headings(studio) == ["train", "val"]
    held.pop().continue_()
    studio.page.get_by_role("heading", name="All charts").wait_for()
    with studio.page.expect_request("**/metrics:rank"):
        studio.page.reload()
    studio.page.get_by_text("Sorting …").wait_for()
    assert studio.page.locator("[data-metric]").count() == 0
    for each in held:
        each.continue_()
    studio.chart("train/constant").wait_for()
    assert headings(studio) == ["All charts"]


def test_the_list_shows_dashes_and_shapes(fresh: Fresh, studio_of: Pages) -> None:
    """Beside each of many runs the list shows how its line is dashed, and its shape."""
    server = fresh()
    for run in range(34):
        server.put(f"run-{run:02}", "loss", [(0, 1.0), (1, run)])
    studio = studio_of(server).open(show="all")
    studio.scene("loss", "lines=34")
    look = "getAttribute('stroke-dasharray'), row.querySelector('.mark').textContent])"
    looks = studio.page.eval_on_selector_all(
        "[data-run]", "(rows) => rows.map((row) => [row.querySelector('path')." + look
    )
    colors = studio.page.eval_on_selector_all(
        "[data-run] .line", "(lines) => lines.map((line) => getComputedStyle(line).color)"
    )
    # No two runs look alike: eight colours, four dashes, and shapes for those that are left.
    together = {(color, *look) for color, look in zip(colors, looks, strict=True)}
    assert len(together) == 34
    assert sum(mark != "" for _, mark in looks) == 4


def test_groups_have_mean_band_and_members(sweep: Server, studio_of: Pages) -> None:
    """Grouped by a parameter, one line a value: the mean of its runs, from least to most."""
    studio = studio_of(sweep).open(runs="slow|fast", group="learning_rate")
    scene = studio.scene("train/loss", "lines=2")
    for line, rate in zip(scene["lines"], (0.01, 0.1), strict=True):
        assert float(line["label"]) == rate
        one, other = (dict(loss(rate, seed)) for seed in (1, 2))
        for x, middle, low, high in zip(
            line["x"], line["middle"], line["min"], line["max"], strict=True
        ):
            assert middle == pytest.approx((one[int(x)] + other[int(x)]) / 2)
            assert (low, high) == (one[int(x)], other[int(x)])
    assert sorted(scene["lines"][1]["members"]) == ["fast-1", "fast-2"]
    legend = studio.page.get_by_role("list", name="Groups of learning_rate")
    assert legend.inner_text().split() == ["0.01", "0.1"]


def test_seeds_are_folded(sweep: Server, studio_of: Pages) -> None:
    """All but the seed are a group on demand, with 95 % bands; by default alone."""
    studio = studio_of(sweep).open(runs="slow|fast")
    studio.scene("train/loss", "lines=4")
    studio.page.get_by_label("Group").select_option("all but the seed")
    studio.page.get_by_role("radio", name="95 %").check(force=True)
    scene = studio.scene("train/loss", "band=95")
    assert studio.view() == {"runs": "slow|fast", "seeds": "fold", "band": "95"}
    assert [line["label"] for line in scene["lines"]] == ["learning_rate=0.01", "learning_rate=0.1"]
    for line, rate in zip(scene["lines"], (0.01, 0.1), strict=True):
        one, other = (dict(loss(rate, seed)) for seed in (1, 2))
        for row, x in enumerate(line["x"]):
            values = [one[int(x)], other[int(x)]]
            # Student's t for two runs.
            away = 12.7062 * statistics.stdev(values) / math.sqrt(2)
            assert line["middle"][row] == pytest.approx(statistics.fmean(values))
            assert line["min"][row] == pytest.approx(statistics.fmean(values) - away)
            assert line["max"][row] == pytest.approx(statistics.fmean(values) + away)
    assert "95 % confidence" in (studio.over("train/loss").get_attribute("aria-label") or "")
    studio.page.keyboard.press("b")
    assert "band" not in studio.view()
    for seed in range(3):
        sweep.run(f"twin-{seed}", seed=float(seed), model="mlp")
        sweep.put(f"twin-{seed}", "twins", [(step, float(seed)) for step in range(9)])
    studio.open(runs="twin")
    scene = studio.scene("twins", "lines=1")
    assert sorted(scene["lines"][0]["members"]) == ["twin-0", "twin-1", "twin-2"]
    assert (set(scene["lines"][0]["min"]), set(scene["lines"][0]["max"])) == ({0.0}, {2.0})
    studio.page.get_by_role("button", name="Draw each").click()
    studio.scene("twins", "lines=3")
    assert studio.view()["seeds"] == "apart"


def test_differences_show_the_noise_of_seeds(sweep: Server, studio_of: Pages) -> None:
    """Behind differences of groups lies how far the runs of the baseline's group are apart."""
    studio = studio_of(sweep).open(runs="slow|fast", base="slow-1", group="learning_rate")
    noise = studio.scene("train/loss", "difference=true")["noise"]
    assert sorted(noise["members"]) == ["slow-1", "slow-2"]
    assert set(noise["min"]) == {0.0}
    assert noise["max"] == pytest.approx([0.01] * STEPS)
    studio.open(runs="slow-1|fast", base="slow-1", group="learning_rate")
    assert studio.scene("train/loss", "difference=true")["noise"] is None


def test_a_baseline_gives_differences(sweep: Server, studio_of: Pages) -> None:
    """Every chart shows the distance from the baseline, which lies at zero, and says so."""
    studio = studio_of(sweep).open(runs="slow|fast", base="slow-1")
    scene = studio.scene("train/loss", "difference=true")
    lines = {line["id"]: line for line in scene["lines"]}
    assert set(lines["slow-1"]["middle"]) == {0.0}
    base, fast = (dict(loss(rate, 1)) for rate in (0.01, 0.1))
    expected = [fast[int(x)] - base[int(x)] for x in lines["fast-1"]["x"]]
    assert lines["fast-1"]["middle"] == pytest.approx(expected)
    assert "− slow-1" in studio.chart("train/loss").inner_text()


def test_the_table(sweep: Server, studio_of: Pages) -> None:
    """Parameters and last values of all runs; on demand the columns that differ; sorted by one."""
    studio = studio_of(sweep).open(page="table", runs="slow|fast")
    table = studio.page.get_by_role("table")
    cell = table.locator("tbody tr", has_text="fast-2").locator("td")
    studio.page.wait_for_function(
        """() => {
            const cells = [...document.querySelectorAll('tbody td')]
            return cells.length > 20 && !cells.some((cell) => cell.innerText === '–')
        }"""
    )

    def columns() -> list[str]:
        return [each.inner_text() for each in table.locator("thead th").all()]

    assert {"learning_rate", "seed", "model", "train/loss", "train/constant"} <= set(columns())
    at = columns().index("train/loss") - 1
    assert float(cell.nth(at).get_attribute("title") or "") == loss(0.1, 2)[-1][1]
    studio.page.get_by_label("Only columns that differ").check()
    table.get_by_text("train/constant").wait_for(state="detached")
    assert "model" not in columns()
    table.get_by_role("button", name="train/loss").click()
    names = [each.inner_text() for each in table.locator("tbody th").all()]
    assert names == ["slow-2", "slow-1", "fast-2", "fast-1"]
    assert studio.view()["by"] == "-m:train/loss"
    studio.page.get_by_role("button", name="min", exact=True).click()
    assert studio.view()["statistic"] == "min"


def test_runs_are_filtered_and_chosen(sweep: Server, studio_of: Pages) -> None:
    """A filter by parameter, a checkbox, all and none: the address keeps each, Back undoes each."""
    studio = studio_of(sweep).open()
    studio.scene("train/loss", "lines=4")
    studio.page.get_by_label("Filter runs by regular expression").fill("learning_rate=0.1$")
    assert studio.scene("train/loss", "lines=2")["lines"][0]["id"].startswith("fast")
    studio.page.get_by_label("Draw fast-1").uncheck()
    studio.scene("train/loss", "lines=1")
    assert studio.view()["off"] == "fast-1"
    studio.page.go_back()
    studio.scene("train/loss", "lines=2")
    studio.page.go_back()
    studio.scene("train/loss", "lines=4")
    studio.page.keyboard.press("]")
    studio.scene("train/loss", "lines=2")


def test_experiments(sweep: Server, studio_of: Pages) -> None:
    """Only the runs of the chosen experiment are listed."""
    studio = studio_of(sweep).open()
    studio.page.locator("[data-run=other]").wait_for()
    studio.page.get_by_label("Experiment").select_option("sweep")
    studio.page.locator("[data-run=other]").wait_for(state="detached")
    assert studio.page.locator("[data-run]").count() == len(RUNS)


def test_colours_belong_to_runs(sweep: Server, studio_of: Pages) -> None:
    """Whatever else is drawn, a run keeps its colour."""
    studio = studio_of(sweep).open()
    swatch = (
        "() => document.querySelector('[data-run=fast-2] input').style.getPropertyValue('--color')"
    )
    studio.page.locator("[data-run=fast-2]").wait_for()
    first = studio.page.evaluate(swatch)
    studio.open(runs="fast", off="fast-1")
    studio.page.locator("[data-run=fast-2]").wait_for()
    assert studio.page.evaluate(swatch) == first


def test_colours_by_parameter(sweep: Server, studio_of: Pages) -> None:
    """Runs of one value have one colour, in charts, list and legend; groups have theirs."""
    studio = studio_of(sweep).open(runs="slow|fast")
    studio.scene("train/loss", "lines=4")
    studio.page.get_by_role("combobox", name="Colour").select_option("learning_rate")
    legend = studio.page.get_by_role("list", name="Colours of learning_rate")
    assert legend.inner_text().split() == ["0.01", "0.1"]
    studio.page.wait_for_function(
        """() => new Set([...document.querySelectorAll('[data-run] input')]
            .map((each) => each.style.getPropertyValue('--color'))).size === 2"""
    )
    lines = studio.scene("train/loss", "slots=2")["lines"]
    slots = {line["id"]: line["slot"] for line in lines}
    assert slots["slow-1"] == slots["slow-2"] != slots["fast-1"] == slots["fast-2"]
    assert studio.view()["color"] == "learning_rate"
    studio.page.get_by_role("combobox", name="Colour").select_option("seed")
    studio.page.get_by_label("Group").select_option("model")
    studio.scene("train/loss", "lines=1")
    assert studio.page.get_by_role("combobox", name="Colour").count() == 0


def test_the_time_to_a_target(sweep: Server, studio_of: Pages) -> None:
    """The table has when each run first got below a value, sorts by it, or what is wrong."""
    studio = studio_of(sweep).open(page="table", runs="slow|fast")
    field = studio.page.get_by_label("Time to")
    field.fill("train/loss <")
    studio.page.get_by_text("Write a metric, < or >, and a number").wait_for()
    field.fill("train/loss < 0.335")
    for name, (rate, seed) in RUNS.items():
        step = next((step for step, value in loss(rate, seed) if value < 0.335), None)
        row = studio.page.locator("tbody tr", has_text=name)
        row.get_by_text(f"step {step}" if step is not None else "–", exact=False).last.wait_for()
    # A point is put every second.
    assert "21 s, step 21" in studio.page.locator("tbody tr", has_text="fast-1").inner_text()
    studio.page.get_by_role("button", name="train/loss < 0.335").click()
    studio.page.get_by_role("button", name="train/loss < 0.335").click()
    names = [each.inner_text() for each in studio.page.locator("tbody th").all()]
    assert names[:2] == ["fast-1", "fast-2"]
    assert studio.view()["target"] == "train/loss < 0.335"
    assert studio.view()["by"] == "t"
