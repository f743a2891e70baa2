"""Owns the lines for the Experiments API: a catalog of 100,000 components by one of 1,000.

Both catalogs look alike: experiments of 100 components with one trial each, two parameters and a
tag a component, one metric with points in the store. What is asked for is the same in both.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import sqlalchemy as sa

from benchmarks.bench import Bench, Goal, Outcome, median
from benchmarks.connection import Connection, require
from benchmarks.processes import Server, serve_stepwell, stepwell
from stepwell.catalog import experiments, trials
from stepwell.catalog.database import Database, sqlite_url
from stepwell.catalog.entities import Work
from stepwell.catalog.tables import component, membership, parameter, tag, trial
from stepwell.components import Components
from stepwell.model.experiments import Author, Kind
from stepwell.model.limits import Limits
from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.model.points import Put
from stepwell.store.sqlite.folder import CATALOG_FILE
from stepwell.store.sqlite.store import EmbeddedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Check = Callable[[Any, int], None]

LARGE = 100_000
SMALL = 1_000
IN_EXPERIMENT = 100
AT_ONCE = 10_000
PAGE = 10
NOW_US = 1_795_435_200_000_000
WARM_RUNS = 3
AUTHOR = Author(DEFAULT_ACCOUNT)

#: Names of what `create` makes, never the same.
_new_names = (f"new-{number}" for number in itertools.count())


class Question(NamedTuple):
    """A request: the operation, its members, and what must be true of the answer."""

    operation: str
    members: dict[str, Any]
    check: Check


def _fill(folder: Path, count: int) -> None:
    """Make a data folder with a catalog of so many components, all of it compacted."""
    store = EmbeddedStore(folder)
    for first in range(0, count, AT_ONCE):
        store.append([_put(number) for number in range(first, min(first + AT_ONCE, count))])
    store.close()
    stepwell("compact", "--data", str(folder))
    store = EmbeddedStore(folder)
    database = Database(sqlite_url(folder / CATALOG_FILE))
    try:
        following = Components(store, database)
        following.follow()
        following.refresh_summaries()
        with database.write() as connection:
            _describe_all(Work(connection, AUTHOR, NOW_US, Limits()), count)
    finally:
        database.close()
        store.close()


def _put(number: int) -> Put:
    name = Component(DEFAULT_ACCOUNT, f"run-{number}")
    return Put(name, ["loss"], [0], [NOW_US + number], [_loss(number)], item_count=1)


def _loss(number: int) -> float:
    """Give a number's place in an order that is not the one of creation."""
    return number * 7919 % 100_003 / 100_003


def _describe_all(work: Work, count: int) -> None:
    """Give the components what an API call would have given them, in bulk."""
    for number in range(count // IN_EXPERIMENT):
        experiments.create(work, f"exp-{number}")
        trials.create(work, f"trial-{number}", f"exp-{number}")
    connection = work.connection
    found = connection.execute(sa.select(trial.c.name, trial.c.id))
    trial_ids = {row.name: row.id for row in found}
    rows = connection.execute(sa.select(component.c.id, component.c.name).order_by("id")).all()
    for first in range(0, len(rows), AT_ONCE):
        _describe_some(connection, trial_ids, rows[first : first + AT_ONCE])


def _describe_some(connection: sa.Connection, trial_ids: dict[str, int], rows: Any) -> None:
    numbers = [(row.id, int(row.name.removeprefix("run-"))) for row in rows]
    connection.execute(
        sa.insert(parameter),
        [
            {"component_id": id_, "name": name, "number": value, "text": None, "text_key": None}
            for id_, number in numbers
            for name, value in (("lr", _loss(number)), ("layers", float(number % 10)))
        ],
    )
    connection.execute(
        sa.insert(membership),
        [
            {
                "trial_id": trial_ids[f"trial-{number // IN_EXPERIMENT}"],
                "component_id": id_,
                "created_us": NOW_US,
            }
            for id_, number in numbers
        ],
    )
    connection.execute(
        sa.insert(tag),
        [
            {
                "entity_kind": Kind.COMPONENT.value,
                "entity_id": id_,
                "key": "team",
                "value": f"team-{number % 10}",
            }
            for id_, number in numbers
        ],
    )


def _folders(bench: Bench) -> tuple[Path, Path]:
    """Give the folders of the large and the small catalog, made once."""
    if bench.catalogs is None:
        folders = bench.data("catalog-large"), bench.data("catalog-small")
        for folder, count in zip(folders, (LARGE, SMALL), strict=True):
            bench.say(f"catalog: filling {count:,} components")
            _fill(folder, count)
        bench.catalogs = folders
    return bench.catalogs


@contextlib.contextmanager
def _servers(bench: Bench) -> Iterator[list[Connection]]:
    with contextlib.ExitStack() as stack:
        connections = []
        for name, folder in zip(("large", "small"), _folders(bench), strict=True):
            server: Server = stack.enter_context(serve_stepwell(folder, bench.log(name)))
            connections.append(stack.enter_context(Connection(server.port)))
        yield connections


def _ask(connection: Connection, question: Question, count: int) -> float:
    """Ask, check the answer, and give the seconds."""
    body = orjson.dumps(question.members)
    answer = connection.ask("POST", "/", body, target=f"SageMaker.{question.operation}")
    question.check(orjson.loads(answer.body), count)
    return answer.seconds


def _measure(bench: Bench, line: str, what: str, ask: Callable[[], Question]) -> Outcome:
    """Ask both catalogs in turns."""
    bench.say(what)
    seconds: list[list[float]] = [[], []]
    with _servers(bench) as connections:
        for run in range(bench.size.catalog_runs + WARM_RUNS):
            for connection, count, taken in zip(connections, (LARGE, SMALL), seconds, strict=True):
                spent = _ask(connection, ask(), count)
                if run >= WARM_RUNS:
                    taken.append(spent)
    measured, yardstick = map(median, seconds)
    return Outcome(
        line=line,
        what=f"{what}, {LARGE:,} components",
        measured=f"{measured * 1000:.2f} ms",
        yardstick=f"{yardstick * 1000:.2f} ms with {SMALL:,}",
        ratio=measured / yardstick,
        ratio_text=f"{measured / yardstick:.2f}x",
        at_least=Goal(2.0, "2x", higher_is_better=False),
        aim=Goal(1.2, "1.2x", higher_is_better=False),
        details={"runs_seconds": seconds[0], "yardstick_runs_seconds": seconds[1]},
    )


def _search(members: dict[str, Any], check: Check, *filters: tuple[str, str, str]) -> Question:
    made = [{"Name": name, "Operator": how, "Value": value} for name, how, value in filters]
    expression = {"SearchExpression": {"Filters": made}} if made else {}
    return Question(
        "Search", {"Resource": "ExperimentTrialComponent", **expression, **members}, check
    )


def _found(answer: Any) -> list[Any]:
    return [each["TrialComponent"] for each in answer["Results"]]


def list_page(bench: Bench) -> Outcome:
    """Time a page of ListTrialComponents, the newest first."""

    def check(answer: Any, _count: int) -> None:
        require(len(answer["TrialComponentSummaries"]) == PAGE, "the page is not full")

    question = Question("ListTrialComponents", {}, check)
    return _measure(bench, "catalog-list", "ListTrialComponents, a page", lambda: question)


def describe(bench: Bench) -> Outcome:
    """Time DescribeTrialComponent with its parameters and its summary."""
    numbers = itertools.count()

    def ask() -> Question:
        number = next(numbers) // 2 * 37 % SMALL

        def check(answer: Any, _count: int) -> None:
            require(answer["Metrics"][0]["Last"] == _loss(number), "the summary is not right")
            require(len(answer["Parameters"]) == 2, "the parameters are not there")

        members = {"TrialComponentName": f"Run-{number}"}
        return Question("DescribeTrialComponent", members, check)

    return _measure(bench, "catalog-describe", "DescribeTrialComponent", ask)


def create(bench: Bench) -> Outcome:
    """Time CreateTrialComponent with a parameter and a tag, made durable."""

    def check(answer: Any, _count: int) -> None:
        require(answer["TrialComponentArn"], "there is no ARN")

    def ask() -> Question:
        members = {
            "TrialComponentName": next(_new_names),
            "Parameters": {"layers": {"NumberValue": 1}},
            "Tags": [{"Key": "team", "Value": "new"}],
        }
        return Question("CreateTrialComponent", members, check)

    return _measure(bench, "catalog-create", "CreateTrialComponent", ask)


def search_by_name(bench: Bench) -> Outcome:
    """Time the search that `Run` begins with: one component by its name and its trial."""

    def check(answer: Any, _count: int) -> None:
        require([each["TrialComponentName"] for each in _found(answer)] == ["run-77"], "run-77")

    question = _search(
        {},
        check,
        ("TrialComponentName", "Equals", "Run-77"),
        ("Parents.TrialName", "Equals", "Trial-0"),
    )
    return _measure(bench, "search-name", "Search by name and trial", lambda: question)


def search_by_experiment(bench: Bench) -> Outcome:
    """Time ExperimentAnalytics' search: a page of an experiment, sorted by a parameter."""

    def check(answer: Any, _count: int) -> None:
        require(answer["TotalHits"]["Value"] == IN_EXPERIMENT, "not the experiment's components")
        values = [each["Parameters"]["lr"]["NumberValue"] for each in _found(answer)]
        require(values == sorted(map(_loss, range(300, 400)))[:PAGE], "not in order")

    question = _search(
        {"SortBy": "Parameters.lr", "SortOrder": "Ascending"},
        check,
        ("Parents.ExperimentName", "Equals", "exp-3"),
    )
    return _measure(bench, "search-experiment", "Search by experiment", lambda: question)


def search_by_parameter(bench: Bench) -> Outcome:
    """Time a page of the components whose parameter is above a bound, the least first."""

    def check(answer: Any, count: int) -> None:
        values = [each["Parameters"]["lr"]["NumberValue"] for each in _found(answer)]
        fitting = [value for value in map(_loss, range(count)) if value >= 0.5]
        require(values == sorted(fitting)[:PAGE], "not the least")

    question = _search(
        {"SortBy": "Parameters.lr", "SortOrder": "Ascending"},
        check,
        ("Parameters.lr", "GreaterThanOrEqualTo", "0.5"),
    )
    return _measure(bench, "search-parameter", "Search by a parameter, sorted", lambda: question)


def search_by_metric(bench: Bench) -> Outcome:
    """Time a page of the components with the lowest last value of a metric."""

    def check(answer: Any, count: int) -> None:
        values = [each["Metrics"][0]["Last"] for each in _found(answer)]
        require(values == sorted(map(_loss, range(count)))[:PAGE], "not the lowest")

    question = _search(
        {"SortBy": "Metrics.loss", "SortOrder": "Ascending"},
        check,
        ("Metrics.loss", "LessThan", "0.9"),
    )
    return _measure(bench, "search-metric", "Search by a metric, sorted", lambda: question)
