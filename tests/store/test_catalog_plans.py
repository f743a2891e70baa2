"""The plans of the catalog's queries: a page costs the same however many rows there are.

Times would tell the same, but only on a machine that does nothing else: `make bench` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from stepwell.catalog import components, experiments, paging, summaries, tags, trials
from stepwell.catalog.components import Maps
from stepwell.catalog.database import Database, sqlite_url
from stepwell.catalog.entities import Listing, Work
from stepwell.catalog.paging import Paging
from stepwell.catalog.search import conditions, searching
from stepwell.catalog.search.expressions import Expression, Filter, Operator
from stepwell.model.experiments import Author, Kind, Tag
from stepwell.model.limits import Limits
from stepwell.model.names import Component
from stepwell.model.summaries import MetricSummary

AUTHOR = Author("000000000000")
COUNT = 30


class Plans:
    """Runs blocks on the catalog and collects the plans of their queries."""

    def __init__(self, database: Database) -> None:
        """Listen to nothing yet."""
        self._database = database

    def of(self, run: Callable[[Work], object]) -> list[str]:
        """Run a block; give each step of each query's plan."""
        statements: list[tuple[str, Any]] = []

        def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
            statements.append((statement, values))

        engine = self._database._engine
        sa.event.listen(engine, "before_cursor_execute", note)
        with self._database.read() as connection:
            run(Work(connection, AUTHOR, 0, Limits()))
        sa.event.remove(engine, "before_cursor_execute", note)
        assert statements
        with self._database.read() as connection:
            return [
                row[3]
                for statement, values in statements
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            ]


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plans]:
    """Give a catalog with some of everything."""
    database = Database(sqlite_url(tmp_path_factory.mktemp("plans") / "catalog.db"))
    with database.write() as connection:
        work = Work(connection, AUTHOR, 0, Limits())
        experiments.create(work, "exp")
        trials.create(work, "trial", "exp")
        for number in range(COUNT):
            name = f"run-{number}"
            components.create(
                work,
                {"name": name, "metadata": {}},
                Maps({"p": float(number)}),
                [Tag("k", str(number))],
            )
            found = components.find(work, name)
            trials.associate(work, trials.get(work, "trial").id, found.id)
            value = float(number)
            summary = MetricSummary("m", 1, value, value, value, value, 0.0, 0)
            summaries.replace(connection, {Component(AUTHOR.account, name): [summary]})
    yield Plans(database)
    database.close()


def filters(*asked: tuple[str, Operator, str]) -> Expression:
    """Make an expression of filters that must all hold."""
    return Expression(tuple(Filter(*each) for each in asked))


SEARCHES: dict[str, tuple[Expression, str]] = {
    "all": (Expression(), "LastModifiedTime"),
    "all by parameter": (Expression(), "Parameters.p"),
    "all by metric": (Expression(), "Metrics.m"),
    "name": (filters(("TrialComponentName", Operator.EQUALS, "Run-7")), "LastModifiedTime"),
    "experiment": (filters(("Parents.ExperimentName", Operator.EQUALS, "exp")), "Parameters.p"),
    "parameter": (filters(("Parameters.p", Operator.GREATER_OR_EQUAL, "5")), "Parameters.p"),
    "metric": (filters(("Metrics.m", Operator.LESS, "20")), "Metrics.m"),
    "minimum": (filters(("Metrics.m.Min", Operator.LESS, "20")), "Metrics.m.Min"),
    "tag": (filters(("Tags.k", Operator.EQUALS, "3")), "Tags.k"),
    "time": (filters(("CreationTime", Operator.GREATER, "1960-01-01")), "CreationTime"),
    "parameter and metric": (
        filters(("Parameters.p", Operator.LESS, "9"), ("Metrics.m", Operator.GREATER, "3")),
        "Metrics.m",
    ),
}


@pytest.mark.parametrize("few_max", [0, 1000])
@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize("name", SEARCHES)
def test_searches_begin_at_an_index(
    plans: Plans, monkeypatch: pytest.MonkeyPatch, name: str, few_max: int, *, is_descending: bool
) -> None:
    """No search by what is indexed reads a table from its beginning or sorts all that it finds."""
    for module in (paging, conditions, searching):
        monkeypatch.setattr(module, "FEW_MAX", few_max)
    monkeypatch.setattr(paging, "SOME_MAX", few_max)
    expression, sort_by = SEARCHES[name]

    def run(work: Work) -> None:
        page, hits, _ = searching.search(
            work, Kind.COMPONENT, expression, sort_by, Paging(3, None, is_descending)
        )
        assert len(page.rows) <= hits or few_max == 0
        assert page.rows

    steps = plans.of(run)
    assert not [step for step in steps if step.startswith("SCAN") and "anon" not in step]
    if few_max == 0:
        assert not [step for step in steps if step.startswith("USE TEMP B-TREE FOR ORDER BY")]


def test_what_hangs_on_a_row_is_looked_up(plans: Plans) -> None:
    """Tags, maps and parents are found by their owner's number, not among all that there are."""

    def run(work: Work) -> None:
        found = components.with_maps(work.connection, [components.find(work, "run-3")])
        numbers = [each.id for each in found]
        assert tags.of_entities(work.connection, Kind.COMPONENT, numbers)
        assert components.parents_of(work.connection, numbers)

    steps = plans.of(run)
    assert not [step for step in steps if step.startswith("SCAN")]
    (of_tags,) = [step for step in steps if " tag " in step]
    assert "entity_id=?" in of_tags
    for table in ("parameter", "component_artifact", "membership"):
        (step,) = [step for step in steps if step.startswith(f"SEARCH {table} ")]
        assert "component_id=?" in step


@pytest.mark.parametrize("sort_by", ["name_key", "created_us"])
def test_lists_walk_along_an_index(plans: Plans, sort_by: str) -> None:
    """A page of a list is read in its order; nothing is sorted."""

    def run(work: Work) -> None:
        page = components.list_page(work, Listing(sort_by, Paging(3)))
        assert len(page.entities) == 3
        more = components.list_page(work, Listing(sort_by, Paging(3, page.end)))
        assert len(more.entities) == 3

    for step in plans.of(run):
        assert step.startswith("SEARCH component USING INDEX")
