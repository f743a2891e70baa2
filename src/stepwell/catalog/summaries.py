"""The store's summaries as a table, so that searches can compare them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from stepwell.catalog.tables import component, metric_summary
from stepwell.model.names import Component
from stepwell.model.summaries import MetricSummary


def replace(connection: sa.Connection, found: Mapping[Component, Sequence[MetricSummary]]) -> None:
    """Write components' summaries in place of those that they had."""
    numbers: dict[Component, int] = {}
    for account in {identity.account for identity in found}:
        names = [identity.name for identity in found if identity.account == account]
        rows = connection.execute(
            sa.select(component.c.id, component.c.name_key).where(
                component.c.account == account, component.c.name_key.in_(names)
            )
        )
        numbers |= {Component(account, row.name_key): row.id for row in rows}
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
