"""Searches in plain Python over entities in memory: what the SQL must agree with."""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from stepwell.catalog.search.expressions import (
    Expression,
    Filter,
    NestedFilters,
    Operator,
)

Value = str | float | int


@dataclass(frozen=True)
class Run:
    """A trial component and everything that a search can look at."""

    id: int
    name: str
    status: str | None
    start_us: int | None
    created_us: int
    display_name: str | None
    commit: str | None
    parameters: Mapping[str, str | float]
    inputs: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, Mapping[str, float]]
    #: Trials and their experiments.
    parents: Sequence[tuple[str, str]] = field(default=())

    def values(self, name: str) -> list[Value]:
        """Give a property's values: none, one, or those of all parents."""
        prefix, _, key = name.partition(".")
        match prefix:
            case "Parameters":
                return _there(self.parameters.get(key))
            case "Tags":
                return _there(self.tags.get(key))
            case "InputArtifacts":
                return _there(self.inputs.get(key))
            case "Metrics":
                metric, _, statistic = key.partition(".")
                value = self.metrics.get(metric, {}).get(statistic or "Last")
                return [] if value is None or math.isnan(value) else [value]
            case "Parents":
                return [parent[key == "ExperimentName"].lower() for parent in self.parents]
        own: dict[str, Value | None] = {
            "TrialComponentName": self.name.lower(),
            "DisplayName": self.display_name or self.name,
            "Status.PrimaryStatus": self.status,
            "StartTime": self.start_us,
            "CreationTime": self.created_us,
            "MetadataProperties.CommitId": self.commit,
        }
        return _there(own[name])


NAMES = {"TrialComponentName", "Parents.TrialName", "Parents.ExperimentName"}
TIMES = {"StartTime", "CreationTime"}


def fits(run: Run, expression: Expression) -> bool:
    """Say whether a run fits an expression."""
    answers = [_fits(asked.name, run.values(asked.name), asked) for asked in expression.filters]
    answers += [_fits_nested(run, each) for each in expression.nested]
    answers += [fits(run, each) for each in expression.parts]
    if not answers:
        return True
    return any(answers) if expression.is_any else all(answers)


def ordered(runs: Sequence[Run], sort_by: str, *, is_descending: bool) -> list[Run]:
    """Sort runs: numbers, then texts, then those without, and equal ones by their numbers."""
    phases: list[list[tuple[Value, int, Run]]] = [[], [], []]
    for run in runs:
        values = run.values(sort_by)
        if not values:
            phases[2].append((0, run.id, run))
            continue
        least = min(values)
        is_text = isinstance(least, str)
        # Only so much of a long parameter is looked at.
        is_cut = isinstance(least, str) and sort_by.startswith("Parameters.")
        shown = least[:120] if is_cut else least
        phases[is_text].append((shown, run.id, run))
    return [
        run
        for phase in phases
        for *_, run in sorted(phase, key=lambda each: each[:2], reverse=is_descending)
    ]


def _there(value: Value | None) -> list[Value]:
    return [] if value is None else [value]


def _fits_nested(run: Run, nested: NestedFilters) -> bool:
    return any(
        all(
            _fits(asked.name, [parent[asked.name.endswith("ExperimentName")].lower()], asked)
            for asked in nested.filters
        )
        for parent in run.parents
    )


def _fits(name: str, values: Sequence[Value], asked: Filter) -> bool:
    match asked.operator:
        case Operator.EXISTS:
            return bool(values)
        case Operator.NOT_EXISTS:
            return not values
        case Operator.NOT_EQUALS:
            return bool(values) and not any(_equals(name, each, asked.value) for each in values)
        case Operator.IN:
            wanted = [part.strip() for part in (asked.value or "").split(",") if part.strip()]
            return any(_equals(name, each, one) for each in values for one in wanted)
    return any(_compares(name, each, asked) for each in values)


_ORDERS: Mapping[Operator, Callable[[float, float], bool]] = {
    Operator.GREATER: operator.gt,
    Operator.GREATER_OR_EQUAL: operator.ge,
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
}


def _compares(name: str, value: Value, asked: Filter) -> bool:
    text = asked.value or ""
    if asked.operator is Operator.EQUALS:
        return _equals(name, value, text)
    if asked.operator is Operator.CONTAINS:
        return isinstance(value, str) and _ascii_lower(text) in _ascii_lower(value)
    if isinstance(value, str):
        return False
    return _ORDERS[asked.operator](value, time_us(text) if name in TIMES else float(text))


def _equals(name: str, value: Value, text: str | None) -> bool:
    text = text or ""
    if name in TIMES:
        return value == time_us(text)
    if isinstance(value, str):
        return value == (text.lower() if name in NAMES else text)
    try:
        return value == float(text)
    except ValueError:
        return False


def time_us(text: str) -> int:
    """Parse a time: seconds, or ISO 8601, in UTC where it names no zone."""
    try:
        return round(float(text) * 1e6)
    except ValueError:
        time = dt.datetime.fromisoformat(text)
    if time.tzinfo is None:
        time = time.replace(tzinfo=dt.UTC)
    return round(time.timestamp() * 1e6)


def _ascii_lower(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)
