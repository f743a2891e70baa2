"""Looks up the numbers of many names at once in a registry (registry.db)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from stepwell.model.names import Component
from stepwell.store.protocol import SeriesKey
from stepwell.store.sqlite.folder import VARIABLES_MAX
from stepwell.store.sqlite.registry import Registry

_Value = TypeVar("_Value", int, str)


def component_numbers(registry: Registry, components: Iterable[Component]) -> dict[Component, int]:
    """Look live components up. Those that are unknown are not in it."""
    by_account: dict[str, set[str]] = {}
    for account, name in components:
        by_account.setdefault(account, set()).add(name)
    found: dict[Component, int] = {}
    for account, names in by_account.items():
        for some in _batches(names):
            marks = ",".join("?" * len(some))
            rows = registry.db.execute(
                f"SELECT name, id FROM component WHERE account = ? AND name IN ({marks})",
                (account, *some),
            )
            found |= {Component(account, name): number for name, number in rows}
    return found


def series_numbers(
    registry: Registry, keys: Sequence[SeriesKey]
) -> list[tuple[int, int | None] | None]:
    """Look series up: the component's number and the series'; None where it has none."""
    components = component_numbers(registry, [key.component for key in keys])
    owners = set(components.values())
    found: dict[tuple[int, str], int] = {}
    # By metric, of which a chart has one: each is a look at one place of the index for each.
    for metric in {key.metric for key in keys}:
        for some in _batches(owners):
            marks = ",".join("?" * len(some))
            rows = registry.db.execute(
                f"SELECT component, id FROM series WHERE component IN ({marks}) AND name = ?",
                (*some, metric),
            )
            found |= {(component, metric): number for component, number in rows}
    return [
        None if number is None else (number, found.get((number, key.metric)))
        for key in keys
        for number in (components.get(key.component),)
    ]


def count_names(registry: Registry, component_ids: Sequence[int]) -> dict[str, int]:
    """Count how many of some components have a series of a name, by name."""
    counts: dict[str, int] = {}
    for some in _batches(component_ids):
        marks = ",".join("?" * len(some))
        rows = registry.db.execute(
            f"SELECT name, count(*) FROM series WHERE component IN ({marks}) GROUP BY name",
            some,
        )
        for name, count in rows:
            counts[name] = counts.get(name, 0) + count
    return dict(sorted(counts.items()))


def series_runs(registry: Registry, component_id: int) -> Iterator[tuple[int, int]]:
    """Give a component's series as runs of numbers that follow one another: firsts and lasts.

    Mostly it is one: a component's series are numbered when its first put comes.
    """
    where = "FROM series WHERE component = ?"
    first, last, count = registry.db.execute(
        f"SELECT min(id), max(id), count(*) {where}", (component_id,)
    ).fetchone()
    if count == 0:
        return
    if last - first + 1 == count:
        yield first, last
        return
    rows = registry.db.execute(f"SELECT id {where}", (component_id,))
    numbers = sorted(row[0] for row in rows)
    begin = before = numbers[0]
    for number in numbers[1:]:
        if number != before + 1:
            yield begin, before
            begin = number
        before = number
    yield begin, before


def _batches(values: Iterable[_Value]) -> Iterator[list[_Value]]:
    """Give some values at a time: one statement takes no more."""
    remaining = list(values)
    for first in range(0, len(remaining), VARIABLES_MAX):
        yield remaining[first : first + VARIABLES_MAX]
