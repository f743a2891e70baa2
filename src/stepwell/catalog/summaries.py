"""The store's summaries as a table, so that searches can compare them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import sqlalchemy as sa

from stepwell.catalog.tables import component, metric_summary
from stepwell.model.names import Component
from stepwell.model.summaries import MetricSummary


def replace(
    connection: sa.Connection, identity: Component, summaries: Sequence[MetricSummary]
) -> None:
    """Write a component's summaries in place of those that it had."""
    number = connection.scalar(
        sa.select(component.c.id).where(
            component.c.account == identity.account, component.c.name_key == identity.name
        )
    )
    if number is None:
        return
    connection.execute(sa.delete(metric_summary).where(metric_summary.c.component_id == number))
    if summaries:
        connection.execute(
            sa.insert(metric_summary),
            [
                {
                    "component_id": number,
                    "metric": each.metric,
                    "count": each.count,
                    "min": _nullable(each.min),
                    "max": _nullable(each.max),
                    "last": _nullable(each.last),
                    "avg": _nullable(each.avg),
                    "std_dev": _nullable(each.std_dev),
                    "timestamp_us": each.timestamp_us,
                }
                for each in summaries
            ],
        )


def _nullable(value: float) -> float | None:
    """NaN compares with nothing, which is what NULL says; SQLite has no other way to keep it."""
    return None if math.isnan(value) else value
