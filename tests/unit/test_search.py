"""Searches in SQL against the same in plain Python, over random catalogs.

All examples share one database, each in an account of its own: what is found of others shows.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepwell.catalog import components, experiments, paging, summaries, trials
from stepwell.catalog.components import Maps
from stepwell.catalog.database import Database, sqlite_url
from stepwell.catalog.entities import Work
from stepwell.catalog.paging import Paging, Place
from stepwell.catalog.search import conditions, searching
from stepwell.catalog.search.expressions import Expression, Filter, NestedFilters, Operator
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import ArtifactValue, Author, Kind, Tag
from stepwell.model.limits import Limits
from stepwell.model.names import Component
from stepwell.model.summaries import MetricSummary


def _load_model() -> ModuleType:
    # Test folders are no packages.
    spec = importlib.util.spec_from_file_location(
        "search_model", Path(__file__).with_name("search_model.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


model = _load_model()

LONG = "long" * 40
TEXTS = ["a", "A", "b%", "b", "_", "x,y", "10", "1e1", "é", LONG + "1", LONG + "2", "' OR 1=1 --"]
NUMBERS = [-1.5, 0.0, 0.25, 10.0, 1e300, float("inf")]
TIMES_US = [0, 1_700_000_000_000_000, 1_700_000_000_500_000, 1_800_000_000_000_000]
TIME_TEXTS = [
    "0",
    "1700000000",
    "1700000000.5",
    "2023-11-14T22:13:20Z",
    "2023-11-14T22:13:20",
    "2023-11-14T23:13:20.5+01:00",
    "2027-01-15",
]
TRIALS = [("T1", "E1"), ("t2", "E1"), ("T3", "e2")]
STATISTICS = ["Min", "Max", "Avg", "StdDev", "Count", "Last"]

TEXT_NAMES = [
    "DisplayName",
    "Status.PrimaryStatus",
    "MetadataProperties.CommitId",
    "Tags.k",
    "Tags.l",
    "InputArtifacts.d",
]
PARENT_NAMES = ["Parents.TrialName", "Parents.ExperimentName"]
METRIC_NAMES = ["Metrics.m", "Metrics.n", *(f"Metrics.m.{each}" for each in STATISTICS)]
ALL_NAMES = [
    "TrialComponentName",
    "StartTime",
    "CreationTime",
    "Parameters.p",
    "Parameters.q",
    *TEXT_NAMES,
    *PARENT_NAMES,
    *METRIC_NAMES,
]

_texts = st.sampled_from(TEXTS)
_numbers = st.sampled_from(NUMBERS)
_equality = st.sampled_from([Operator.EQUALS, Operator.NOT_EQUALS])
_presence = st.sampled_from([Operator.EXISTS, Operator.NOT_EXISTS])
_order = st.sampled_from(
    [Operator.GREATER, Operator.GREATER_OR_EQUAL, Operator.LESS, Operator.LESS_OR_EQUAL]
)


def _listed(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=3).map(", ".join)


def _filters(
    names: list[str], values: st.SearchStrategy[str], operators: st.SearchStrategy[Operator]
) -> st.SearchStrategy[Filter]:
    name = st.sampled_from(names)
    return st.one_of(
        st.builds(Filter, name, operators, values),
        st.builds(Filter, name, st.just(Operator.IN), _listed(values)),
        st.builds(Filter, name, _presence, st.none()),
    )


_number_texts = st.sampled_from(["-1.5", "0", "0.25", "10", "1e1", "1e300", "inf", "3"])
_name_texts = st.sampled_from(["run-0", "RUN-1", "Run-2", "run", "-"])
_parent_texts = st.sampled_from(["t1", "T2", "t3", "E1", "e2", "E"])
_parent_filters = _filters(
    PARENT_NAMES, _parent_texts, st.one_of(_equality, st.just(Operator.CONTAINS))
)
_any_filter = st.one_of(
    _filters(TEXT_NAMES, _texts, st.one_of(_equality, st.just(Operator.CONTAINS))),
    _filters(["TrialComponentName"], _name_texts, st.one_of(_equality, st.just(Operator.CONTAINS))),
    _parent_filters,
    _filters(["StartTime", "CreationTime"], st.sampled_from(TIME_TEXTS), _equality | _order),
    _filters(METRIC_NAMES, _number_texts, _equality | _order),
    _filters(["Parameters.p", "Parameters.q"], _number_texts, _equality | _order),
    _filters(
        ["Parameters.p", "Parameters.q"], _texts, st.one_of(_equality, st.just(Operator.CONTAINS))
    ),
)
_nested = st.builds(
    NestedFilters,
    st.just("Parents"),
    st.lists(_parent_filters, min_size=1, max_size=3).map(tuple),
)


def _expressions(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.builds(
        Expression,
        st.lists(_any_filter, max_size=3).map(tuple),
        st.lists(_nested, max_size=1).map(tuple),
        st.lists(parts, max_size=2).map(tuple),
        st.booleans(),
    )


_expression = st.recursive(
    st.builds(Expression, st.lists(_any_filter, min_size=1, max_size=3).map(tuple)),
    _expressions,
    max_leaves=4,
)
_summaries = st.fixed_dictionaries(
    {name: st.sampled_from([*NUMBERS, float("nan")]) for name in STATISTICS}
    | {"Count": st.sampled_from([0, 3, 10])}
)
_run = st.fixed_dictionaries(
    {
        "status": st.sampled_from([None, "Failed", "Completed", "a"]),
        "start_us": st.sampled_from([None, *TIMES_US]),
        "created_us": st.sampled_from(TIMES_US),
        "display_name": st.none() | st.sampled_from(["a", "A", "b"]),
        "commit": st.none() | _texts,
        "parameters": st.dictionaries(st.sampled_from(["p", "q"]), _texts | _numbers),
        "inputs": st.dictionaries(st.sampled_from(["d", "e"]), _texts),
        "tags": st.dictionaries(st.sampled_from(["k", "l"]), _texts),
        "metrics": st.dictionaries(st.sampled_from(["m", "n"]), _summaries),
        "parents": st.lists(st.sampled_from(TRIALS), unique=True, max_size=3),
    }
)
#: The bound between looking at rows one by one and along an index: here between 0 and all.
_few_max = st.sampled_from([0, 2, 1000])
_settings = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_accounts = itertools.count(1)


class Catalog(NamedTuple):
    """One account's runs, in the database and in the model."""

    database: Database
    author: Author
    runs: list[Any]

    def pages(
        self,
        expression: Expression,
        sort_by: str = "LastModifiedTime",
        *,
        is_descending: bool = True,
        page_rows: int = 100,
    ) -> Iterator[list[int]]:
        """Search page by page, each page in a transaction of its own."""
        after: Place | None = None
        while True:
            with self.database.read() as connection:
                work = Work(connection, self.author, 0, Limits())
                asked = Paging(page_rows, after, is_descending)
                page, hits, is_exact = searching.search(
                    work, Kind.COMPONENT, expression, sort_by, asked
                )
            ids = [row.id for row in page.rows]
            assert len(ids) <= hits or not is_exact
            yield ids
            after = page.end
            if after is None:
                return

    def add(self, made: dict[str, Any]) -> None:
        """Add a run to both."""
        number = len(self.runs)
        name = f"{'Run' if number % 2 else 'run'}-{number}"
        metrics = {
            metric: {each: float(value) for each, value in found.items()}
            for metric, found in made["metrics"].items()
        }
        with self.database.write() as connection:
            work = Work(connection, self.author, made["created_us"], Limits())
            components.create(
                work,
                {
                    "name": name,
                    "status": made["status"],
                    "start_us": made["start_us"],
                    "display_name": made["display_name"],
                    "metadata": {} if made["commit"] is None else {"CommitId": made["commit"]},
                },
                Maps(
                    made["parameters"],
                    {key: ArtifactValue(value, None) for key, value in made["inputs"].items()},
                ),
                [Tag(*each) for each in made["tags"].items()],
            )
            found = components.find(work, name)
            for trial_name, _ in made["parents"]:
                trials.associate(work, trials.get(work, trial_name).id, found.id)
            identity = Component(self.author.account, name.lower())
            summaries.replace(connection, {identity: [*map(_summary, metrics, metrics.values())]})
        self.runs.append(model.Run(found.id, name, **made | {"metrics": metrics}))


def _summary(metric: str, found: dict[str, float]) -> MetricSummary:
    return MetricSummary(
        metric,
        int(found["Count"]),
        found["Min"],
        found["Max"],
        found["Last"],
        found["Avg"],
        found["StdDev"],
        0,
    )


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Give the database that all examples share."""
    opened = Database(sqlite_url(tmp_path_factory.mktemp("catalog") / "catalog.db"))
    yield opened
    opened.close()


def make(database: Database, made: list[dict[str, Any]]) -> Catalog:
    """Make an account with the same trials and some runs."""
    author = Author(f"{next(_accounts):012}")
    with database.write() as connection:
        work = Work(connection, author, 0, Limits())
        for name in sorted({experiment for _, experiment in TRIALS}):
            experiments.create(work, name)
        for name, experiment in TRIALS:
            trials.create(work, name, experiment)
    catalog = Catalog(database, author, [])
    for each in made:
        catalog.add(each)
    return catalog


@pytest.fixture
def set_few(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that sets up to how many rows are looked at one by one, or sorted."""
    some_max = itertools.cycle([0, 3, 10_000])

    def set_bound(few_max: int) -> None:
        for module in (paging, conditions, searching):
            monkeypatch.setattr(module, "FEW_MAX", few_max)
        monkeypatch.setattr(paging, "SOME_MAX", next(some_max))

    return set_bound


@given(
    st.lists(_run, max_size=6),
    st.lists(_expression, min_size=1, max_size=6),
    _few_max,
    st.booleans(),
)
@_settings
def test_finds_what_the_rules_say(
    database: Database,
    set_few: Any,
    made: list[dict[str, Any]],
    asked: list[Expression],
    few_max: int,
    is_descending: bool,  # noqa: FBT001
) -> None:
    """An expression finds the runs that it fits, and nothing else, by whatever index and order."""
    set_few(few_max)
    catalog = make(database, made)
    for expression in asked:
        fitting = [run for run in catalog.runs if model.fits(run, expression)]
        (found,) = catalog.pages(expression)
        assert sorted(found) == [run.id for run in fitting]
        # What is filtered by is what is most often sorted by, and then goes by one index.
        for name in expression.names() & set(ALL_NAMES):
            (found,) = catalog.pages(expression, name, is_descending=is_descending)
            wanted = model.ordered(fitting, name, is_descending=is_descending)
            assert found == [run.id for run in wanted]


@given(
    st.lists(_run, max_size=8),
    st.sampled_from(ALL_NAMES),
    st.booleans(),
    st.integers(1, 4),
    st.sampled_from(
        [Expression(), Expression((Filter("TrialComponentName", Operator.EXISTS, None),))]
    ),
    _few_max,
)
@_settings
def test_pages_are_in_order(
    database: Database,
    set_few: Any,
    made: list[dict[str, Any]],
    sort_by: str,
    is_descending: bool,  # noqa: FBT001
    page_rows: int,
    expression: Expression,
    few_max: int,
) -> None:
    """The pages of a search, one after another, are all of it in the order of any property."""
    set_few(few_max)
    catalog = make(database, made)
    pages = catalog.pages(expression, sort_by, is_descending=is_descending, page_rows=page_rows)
    expected = model.ordered(catalog.runs, sort_by, is_descending=is_descending)
    assert [*itertools.chain.from_iterable(pages)] == [run.id for run in expected]


@given(
    st.lists(_run, min_size=2, max_size=8),
    st.lists(_run, min_size=1, max_size=8),
    st.sampled_from(ALL_NAMES),
    st.booleans(),
    st.lists(_few_max, min_size=1),
)
@_settings
def test_pages_while_others_insert(
    database: Database,
    set_few: Any,
    made: list[dict[str, Any]],
    inserted: list[dict[str, Any]],
    sort_by: str,
    is_descending: bool,  # noqa: FBT001
    few_max: list[int],
) -> None:
    """Whatever comes in between, and however a page is read, no run comes twice or is left out."""
    catalog = make(database, made)
    there = {run.id for run in catalog.runs}
    expression = Expression((Filter("TrialComponentName", Operator.CONTAINS, "run"),))
    bounds = itertools.cycle(few_max)
    set_few(next(bounds))
    found: list[int] = []
    for page in catalog.pages(expression, sort_by, is_descending=is_descending, page_rows=1):
        found += page
        if inserted:
            catalog.add(inserted.pop())
        set_few(next(bounds))
    assert len(set(found)) == len(found)
    assert there <= set(found)


@pytest.mark.parametrize(
    ("name", "operator", "value", "word"),
    [
        ("Foo", "Equals", "1", "Unknown property name: Foo"),
        ("Parameters.", "Equals", "1", "Unknown property name: Parameters."),
        ("Tags", "Exists", None, "Unknown property name: Tags"),
        ("TrialComponentName", "LessThan", "a", "texts have no order"),
        ("Tags.k", "GreaterThanOrEqualTo", "a", "texts have no order"),
        ("TrialComponentArn", "LessThan", "a", "texts have no order"),
        ("Metrics.m", "Contains", "1", "for texts only"),
        ("CreationTime", "Contains", "1", "for texts only"),
        ("Metrics.m", "Equals", "ten", "'ten' of property Metrics.m is not a number"),
        ("Metrics.m", "In", "1,ten", "'ten' of property Metrics.m is not a number"),
        ("Metrics.m", "Equals", "nan", "not a number"),
        ("Metrics.m", "Equals", "1_0", "not a number"),
        ("Parameters.p", "LessThan", "ten", "'ten' of property Parameters.p is not a number"),
        ("CreationTime", "LessThan", "yesterday", "'yesterday' of property CreationTime is not"),
        ("DisplayName", "Equals", None, "needs a Value"),
    ],
)
def test_senseless_filters(
    database: Database, name: str, operator: str, value: str | None, word: str
) -> None:
    """A filter that makes no sense is refused, and its property and value are named."""
    catalog = make(database, [])
    with pytest.raises(ConstraintError, match=word.replace(".", r"\.")):
        next(catalog.pages(Expression((Filter(name, Operator(operator), value),))))


@pytest.mark.parametrize("value", ["1e300", "-1e300", "inf", "9999-12-31", "0001-01-01"])
def test_times_far_away(database: Database, value: str) -> None:
    """A time beyond all that is stored is compared like any other."""
    filters = [
        Filter("CreationTime", operator, value)
        for operator in Operator.__members__.values()
        if operator not in {Operator.CONTAINS, Operator.EXISTS, Operator.NOT_EXISTS}
    ]
    catalog = make(database, [])
    for each in filters:
        assert next(catalog.pages(Expression((each,)))) == []


def test_arns_and_sources(database: Database) -> None:
    """ARNs are found by the name in them, whatever their region and account; so are sources."""
    catalog = make(database, [])
    with database.write() as connection:
        work = Work(connection, catalog.author, 0, Limits())
        for name in ("Job-1-aws-training-job", "job-2"):
            components.create(work, {"name": name}, Maps())
        job, other = (
            components.find(work, each).id for each in ("job-1-aws-training-job", "job-2")
        )
    arn = "arn:aws:sagemaker:mars-1:999999999999:"
    component = f"{arn}experiment-trial-component/"
    for name, operator, value, expected in (
        ("TrialComponentArn", "Equals", f"{component}JOB-2", [other]),
        (
            "TrialComponentArn",
            "In",
            f"{component}job-2,{component}job-1-aws-training-job",
            [job, other],
        ),
        ("TrialComponentArn", "NotEquals", f"{component}job-2", [job]),
        ("TrialComponentArn", "Equals", "job-2", []),
        ("TrialComponentArn", "Equals", f"{arn}experiment/job-2", []),
        ("TrialComponentArn", "Contains", f"{catalog.author.account}:experiment", [job, other]),
        ("Source.SourceArn", "Equals", f"{arn}training-job/job-1", [job]),
        ("Source.SourceArn", "Contains", "training-job/job", [job]),
        ("Source.SourceArn", "NotExists", None, [other]),
        ("Source.SourceType", "Equals", "SageMakerTrainingJob", [job]),
    ):
        asked = Expression((Filter(name, Operator(operator), value),))
        assert sorted(next(catalog.pages(asked))) == expected, asked


def test_deepest_expression(database: Database) -> None:
    """An expression of 20 levels, and one of as many parts as may be, run in the database."""
    catalog = make(database, [])
    catalog.add(_plain())
    here = Filter("Parents.TrialName", Operator.NOT_EXISTS, None)
    expression = Expression((here,))
    for level in range(19):
        expression = Expression((here,), parts=(expression,), is_any=bool(level % 2))
    wide = Expression(tuple([here] * 20), parts=(Expression(tuple([here] * 20)),), is_any=True)
    for asked in (expression, wide):
        assert next(catalog.pages(asked)) == [catalog.runs[0].id]
    too_wide = Expression(parts=(wide, wide))
    with pytest.raises(ConstraintError, match="at most 50"):
        next(catalog.pages(too_wide))


def _plain() -> dict[str, Any]:
    nothing: dict[str, Any] = {key: {} for key in ("parameters", "inputs", "tags", "metrics")}
    absent = dict.fromkeys(("status", "start_us", "display_name", "commit"), None)
    return {**nothing, **absent, "created_us": 0, "parents": []}
