"""What a page of a search costs, in steps of SQLite: the same in a catalog ten times as large.

The bounds between few rows and many are lowered with the catalogs, so that both have many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stepwell.catalog import experiments, paging, trials
from stepwell.catalog.database import Database, sqlite_url
from stepwell.catalog.entities import Work
from stepwell.catalog.paging import Paging
from stepwell.catalog.search import conditions, searching, suggestions
from stepwell.catalog.search.expressions import Expression, Filter, NestedFilters, Operator
from stepwell.catalog.tables import component, membership, metric_summary, parameter, tag, trial
from stepwell.model.experiments import Author, Kind
from stepwell.model.limits import Limits

AUTHOR = Author("0" * 12)
FEW_MAX = 20
SMALL, LARGE = 300, 3000
IN_EXPERIMENT = 10
PAGE = 5
RATIO_MAX = 2.0


def _fill(database: Database, count: int) -> None:
    """Make components with parameters, tags, a metric and parents, in bulk."""
    numbers = range(1, count + 1)
    values = {number: number * 7919 % 100_003 / 100_003 for number in numbers}
    with database.write() as connection:
        work = Work(connection, AUTHOR, 0, Limits())
        for group in range(count // IN_EXPERIMENT):
            experiments.create(work, f"exp-{group}")
            trials.create(work, f"trial-{group}", f"exp-{group}")
        experiments.create(work, "every-second")
        trials.create(work, "every-second", "every-second")
        named = connection.execute(sa.select(trial.c.name, trial.c.id))
        trial_ids = {row.name: row.id for row in named}
        stamps = {"created_by": "", "modified_by": ""}
        rows: dict[sa.Table, list[dict[str, Any]]] = {
            component: [
                {
                    "id": number,
                    "account": AUTHOR.account,
                    "name": f"Run-{number}",
                    "name_key": f"run-{number}",
                    "metadata": {},
                    "created_us": number,
                    "modified_us": number,
                    **stamps,
                }
                for number in numbers
            ],
            membership: [
                {"trial_id": trial_ids[name], "component_id": number, "created_us": 0}
                for number in numbers
                for name in (f"trial-{(number - 1) // IN_EXPERIMENT}", "every-second")
                if name != "every-second" or number % 2
            ],
            parameter: [
                {"component_id": number, "name": name, "number": value, "text": None}
                for number in numbers
                for name, value in (("lr", values[number]), ("layers", float(number % 5)))
            ],
            tag: [
                {"entity_kind": "experiment-trial-component", "entity_id": number, **each}
                for number in numbers
                for each in (
                    {"key": "team", "value": str(number % 5)},
                    {"key": "own", "value": str(number)},
                )
            ],
            metric_summary: [
                {
                    "component_id": number,
                    "metric": "loss",
                    "count": 1,
                    **dict.fromkeys(("min", "max", "last", "avg"), values[number]),
                    "std_dev": 0.0,
                    "timestamp_us": 0,
                }
                for number in numbers
            ],
        }
        for table, made in rows.items():
            connection.execute(sa.insert(table), made)


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Database]]:
    """Give a small and a large catalog."""
    folder: Path = tmp_path_factory.mktemp("catalogs")
    opened = []
    for count in (SMALL, LARGE):
        opened.append(Database(sqlite_url(folder / f"{count}.db")))
        _fill(opened[-1], count)
    yield opened
    for each in opened:
        each.close()


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (paging, conditions, searching):
        monkeypatch.setattr(module, "FEW_MAX", FEW_MAX)
    monkeypatch.setattr(paging, "SOME_MAX", 10 * FEW_MAX)
    monkeypatch.setattr(searching, "COUNTED_MAX", 2 * FEW_MAX)
    monkeypatch.setattr(searching, "HITS_MAX", 10 * FEW_MAX)


def steps(database: Database, run: Callable[[Work], object]) -> int:
    """Count the steps of SQLite's machine that a block takes."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    with database.read() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(step, 1)
        try:
            run(Work(connection, AUTHOR, 0, Limits()))
        finally:
            driver.set_progress_handler(None, 0)
    return count


def of(name: str, operator: Operator, value: str | None = None) -> Expression:
    """Make an expression of one filter."""
    return Expression((Filter(name, operator, value),))


SEARCHES: dict[str, tuple[Expression, str]] = {
    "everything": (Expression(), "LastModifiedTime"),
    "everything by trial": (Expression(), "Parents.TrialName"),
    "everything by parameter": (Expression(), "Parameters.lr"),
    "everything by what is absent": (Expression(), "Parameters.absent"),
    "everything by average": (Expression(), "Metrics.loss.Avg"),
    "name": (of("TrialComponentName", Operator.EQUALS, "run-7"), "LastModifiedTime"),
    "small experiment": (of("Parents.ExperimentName", Operator.EQUALS, "exp-3"), "Parameters.lr"),
    "large experiment": (
        of("Parents.ExperimentName", Operator.EQUALS, "every-second"),
        "LastModifiedTime",
    ),
    "large experiment by parameter": (
        of("Parents.ExperimentName", Operator.EQUALS, "every-second"),
        "Parameters.lr",
    ),
    "nested": (
        Expression(
            nested=(
                NestedFilters(
                    "Parents", (Filter("Parents.TrialName", Operator.EQUALS, "every-second"),)
                ),
            )
        ),
        "LastModifiedTime",
    ),
    "tag of one": (of("Tags.own", Operator.EQUALS, "7"), "LastModifiedTime"),
    "tag of many": (of("Tags.team", Operator.EQUALS, "3"), "LastModifiedTime"),
    "parameter": (of("Parameters.lr", Operator.GREATER_OR_EQUAL, "0.5"), "Parameters.lr"),
    "parameter and newest": (of("Parameters.layers", Operator.EQUALS, "3"), "LastModifiedTime"),
    "metric": (of("Metrics.loss", Operator.LESS, "0.5"), "Metrics.loss"),
    "average": (of("Metrics.loss.Avg", Operator.GREATER, "0.5"), "Metrics.loss.Avg"),
    "time": (of("CreationTime", Operator.GREATER, "0.0001"), "CreationTime"),
}


@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize("name", SEARCHES)
def test_a_page_costs_the_same(catalogs: list[Database], name: str, *, is_descending: bool) -> None:
    """The first page of a search by what is indexed, and the second, cost the same in both."""
    expression, sort_by = SEARCHES[name]
    after = None
    for _ in range(2):
        ends: list[Any] = []

        def run(work: Work, after: Any = after, ends: list[Any] = ends) -> None:
            asked = Paging(PAGE, after, is_descending)
            page, _, _ = searching.search(work, Kind.COMPONENT, expression, sort_by, asked)
            assert page.rows
            ends.append(page.end)

        small, large = (steps(each, run) for each in catalogs)
        assert large <= RATIO_MAX * small, f"{small:,} steps became {large:,}"
        after = ends[0]
        if None in ends:
            return


@pytest.mark.parametrize("hint", ["", "Tags.", "l"])
def test_suggestions_cost_the_same(catalogs: list[Database], hint: str) -> None:
    """Suggestions cost what the number of names costs, not of components."""
    small, large = (
        steps(each, lambda work: suggestions.suggest(work, Kind.COMPONENT, hint))
        for each in catalogs
    )
    assert large <= RATIO_MAX * small, f"{small:,} steps became {large:,}"


def test_hits_that_lie_far_away_are_sorted(catalogs: list[Database]) -> None:
    """Where nothing near fits, what fits is looked at, and not all that there is."""
    expression = of("TrialComponentName", Operator.IN, ",".join(f"run-{n}" for n in range(1, 101)))
    found = []

    def run(work: Work) -> None:
        page, _, _ = searching.search(
            work, Kind.COMPONENT, expression, "LastModifiedTime", Paging(PAGE)
        )
        found.append([row.name for row in page.rows])

    small, large = (steps(each, run) for each in catalogs)
    assert found == [["Run-100", "Run-99", "Run-98", "Run-97", "Run-96"]] * 2
    assert large <= RATIO_MAX * small, f"{small:,} steps became {large:,}"
