"""Tags of any entity, in the order in which they were added. Within the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from stepwell.catalog.tables import tag
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import Kind, Tag

TAGS_MAX = 50


def add(connection: sa.Connection, kind: Kind, number: int, tags: Iterable[Tag]) -> None:
    """Add tags; one whose key is there gets the new value.

    Raises:
        ConstraintError: two of them have one key, or there would be too many.
    """
    wanted = list(tags)
    keys = [each.key for each in wanted]
    if len(set(keys)) != len(keys):
        msg = "Duplicate tag key"
        raise ConstraintError(msg)
    known = {each.key for each in of_entity(connection, kind, number)}
    if len(known.union(keys)) > TAGS_MAX:
        msg = f"Too many tags: a resource has at most {TAGS_MAX}"
        raise ConstraintError(msg)
    for each in wanted:
        where = {"entity_kind": kind.value, "entity_id": number, "key": each.key}
        if each.key in known:
            connection.execute(sa.update(tag).filter_by(**where).values(value=each.value))
        else:
            connection.execute(sa.insert(tag).values(**where, value=each.value))


def of_entity(connection: sa.Connection, kind: Kind, number: int) -> list[Tag]:
    """List an entity's tags."""
    return of_entities(connection, kind, [number]).get(number, [])


def of_entities(
    connection: sa.Connection, kind: Kind, numbers: Sequence[int]
) -> dict[int, list[Tag]]:
    """List several entities' tags, by number."""
    rows = connection.execute(
        sa.select(tag.c.id, tag.c.entity_id, tag.c.key, tag.c.value).where(
            tag.c.entity_kind == kind.value, tag.c.entity_id.in_(numbers)
        )
    )
    found: dict[int, list[Tag]] = {}
    # Sorted here: to have this order at once, SQLite would walk over every tag that there is.
    for row in sorted(rows, key=lambda row: row.id):
        found.setdefault(row.entity_id, []).append(Tag(row.key, row.value))
    return found


def remove(connection: sa.Connection, kind: Kind, number: int, keys: Sequence[str]) -> None:
    """Remove tags by key; those that are not there are passed over."""
    connection.execute(
        sa.delete(tag).where(
            tag.c.entity_kind == kind.value, tag.c.entity_id == number, tag.c.key.in_(keys)
        )
    )


def forget(connection: sa.Connection, kind: Kind, number: int) -> None:
    """Remove all tags of an entity that goes."""
    connection.execute(
        sa.delete(tag).where(tag.c.entity_kind == kind.value, tag.c.entity_id == number)
    )
