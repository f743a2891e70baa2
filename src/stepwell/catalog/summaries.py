"""The store's summaries as a table, so that searches can compare them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from stepwell.catalog.tables import component, metric_summary, summary_stamp
from stepwell.model.names import Component
from stepwell.model.summaries import MetricSummary


class Stamp(NamedTuple):
    """As of which of the store's stamps summaries are, and how often they were written.

    `number` is the component's; of one without summaries the rest is 0.
    """

    number: int
    stamp: int
    version: int


#: What a column holds of a stamp, which may be of any size: who compares them compares these.
_STAMP_MASK = 2**63 - 1


def stamps(connection: sa.Connection, identities: Collection[Component]) -> dict[Component, Stamp]:
    """Read the stamps of components, those of which the catalog knows."""
    stored = summary_stamp.c
    query = sa.select(
        component.c.id,
        component.c.name_key,
        sa.func.coalesce(stored.stamp, 0).label("stamp"),
        sa.func.coalesce(stored.version, 0).label("version"),
    ).outerjoin(summary_stamp, stored.component_id == component.c.id)
    found: dict[Component, Stamp] = {}
    for account in {identity.account for identity in identities}:
        names = [identity.name for identity in identities if identity.account == account]
        rows = connection.execute(
            query.where(component.c.account == account, component.c.name_key.in_(names))
        )
        for row in rows:
            found[Component(account, row.name_key)] = Stamp(row.id, row.stamp, row.version)
    return found


def cut(stamp: int) -> int:
    """Give what is kept of one of the store's stamps."""
    return stamp & _STAMP_MASK


def note(connection: sa.Connection, changed: Mapping[Component, tuple[Stamp, int]]) -> None:
    """Note new stamps of components whose summaries were written, given the ones that they had."""
    numbers = [before.number for before, _ in changed.values()]
    connection.execute(sa.delete(summary_stamp).where(summary_stamp.c.component_id.in_(numbers)))
    connection.execute(
        sa.insert(summary_stamp),
        [
            {"component_id": before.number, "stamp": cut(stamp), "version": before.version + 1}
            for before, stamp in changed.values()
        ],
    )


def replace(connection: sa.Connection, found: Mapping[Component, Sequence[MetricSummary]]) -> None:
    """Write components' summaries in place of those that they had."""
    numbers = {identity: each.number for identity, each in stamps(connection, found).items()}
    if not numbers:
        return
    connection.execute(
        sa.delete(metric_summary).where(metric_summary.c.component_id.in_(list(numbers.values())))
    )
    rows_to_write = [
        _values(number, each) for identity, number in numbers.items() for each in found[identity]
    ]
    if rows_to_write:
        connection.execute(sa.insert(metric_summary), rows_to_write)


def _values(number: int, summary: MetricSummary) -> dict[str, Any]:
    return {
        "component_id": number,
        "metric": summary.metric,
        "count": summary.count,
        "min": _nullable(summary.min),
        "max": _nullable(summary.max),
        "last": _nullable(summary.last),
        "avg": _nullable(summary.avg),
        "std_dev": _nullable(summary.std_dev),
        "timestamp_us": summary.timestamp_us,
    }


def _nullable(value: float) -> float | None:
    """NaN compares with nothing, which is what NULL says; SQLite has no other way to keep it."""
    return None if math.isnan(value) else value
