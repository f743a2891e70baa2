"""Checking the catalog: its file's pages, and that whatever it refers to is there."""

from __future__ import annotations

import contextlib

import sqlalchemy as sa

from stepwell.catalog.database import Database
from stepwell.catalog.tables import (
    association,
    component,
    experiment,
    lineage_entity,
    metadata,
    tag,
    trial,
)
from stepwell.model.errors import StoreUnavailableError
from stepwell.model.experiments import Kind

_OWN_TABLES = {Kind.EXPERIMENT: experiment, Kind.TRIAL: trial, Kind.COMPONENT: component}


def check_catalog(url: str) -> list[str]:
    """Verify a catalog; give every problem as one line. Changes nothing. A server may be using it.

    Raises:
        FormatError: it was made by a newer Stepwell.
    """
    try:
        with contextlib.closing(Database(url, migrates=False)) as database:
            problems = database.damage()
            # References are only worth a look where the rows can be read.
            if not problems and database.is_current():
                with database.read() as connection:
                    problems = _dangling(connection)
    except StoreUnavailableError as error:
        problems = [str(error)]
    return problems


def _dangling(connection: sa.Connection) -> list[str]:
    """Count references to rows that are not there, those that no foreign key watches over too."""
    problems = []
    for table in metadata.sorted_tables:
        for key in table.foreign_keys:
            owner = key.column
            count = _count(connection, table, ~_is_there(owner.table, owner == key.parent))
            if count:
                problems.append(f"{table.name}: {count} rows of no {owner.table.name}")
    ends = (
        ("tag", tag, tag.c.entity_kind, tag.c.entity_id),
        ("association", association, association.c.source_kind, association.c.source_id),
        (
            "association",
            association,
            association.c.destination_kind,
            association.c.destination_id,
        ),
    )
    for name, table, kind_column, id_column in ends:
        for kind in Kind:
            own = _OWN_TABLES.get(kind)
            if own is not None:
                is_there = _is_there(own, own.c.id == id_column)
            else:
                is_kind = lineage_entity.c.kind == kind.value
                is_there = _is_there(lineage_entity, is_kind & (lineage_entity.c.id == id_column))
            count = _count(connection, table, (kind_column == kind.value) & ~is_there)
            if count:
                problems.append(f"{name}: {count} rows of no {kind.value} ({id_column.name})")
    return [f"catalog: {problem}" for problem in problems]


def _is_there(table: sa.FromClause, condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.exists(sa.select(sa.literal(1)).select_from(table).where(condition))


def _count(connection: sa.Connection, table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(condition)
    return connection.scalar(query) or 0
