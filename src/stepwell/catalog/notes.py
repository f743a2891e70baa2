"""Notes at steps of trial components. Within the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from stepwell.catalog.entities import Work
from stepwell.catalog.tables import component, note
from stepwell.model.errors import ConstraintError, NotFoundError

#: Notes that one component can have: all of them are sent with it.
NOTES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Note:
    """A note: of one metric at a step, or of all metrics (None)."""

    id: int
    metric: str | None
    step: int
    text: str
    created_us: int
    created_by: str


def add(work: Work, component_id: int, metric: str | None, step: int, text: str) -> Note:
    """Add a note to a component.

    Raises:
        ConstraintError: it has all the notes that it may have.
    """
    count = work.connection.scalar(
        sa.select(sa.func.count()).where(note.c.component_id == component_id)
    )
    if (count or 0) >= NOTES_MAX:
        msg = f"The run has {NOTES_MAX} notes, which is the most that one can have"
        raise ConstraintError(msg)
    result = work.connection.execute(
        sa.insert(note).values(
            component_id=component_id,
            metric=metric,
            step=step,
            text=text,
            created_us=work.now_us,
            created_by=work.author.key_id,
        )
    )
    (number,) = result.inserted_primary_key or (0,)
    return Note(int(number), metric, step, text, work.now_us, work.author.key_id)


def remove(connection: sa.Connection, component_id: int, number: int) -> None:
    """Remove a note of a component.

    Raises:
        NotFoundError: it has no such note.
    """
    found = connection.execute(
        sa.delete(note).where(note.c.component_id == component_id, note.c.id == number)
    )
    if not found.rowcount:
        msg = f"The run has no note {number}."
        raise NotFoundError(msg)


def of_component(connection: sa.Connection, component_id: int) -> Sequence[Note]:
    """List a component's notes by step."""
    rows = connection.execute(
        sa.select(note).where(note.c.component_id == component_id).order_by(note.c.step, note.c.id)
    )
    return [_read(row) for row in rows]


def of_components(work: Work, names: Sequence[str]) -> dict[str, list[Note]]:
    """List notes of the author's components by step, by the components' folded names.

    Those without notes are left out, and those that are not there.
    """
    rows = work.connection.execute(
        sa.select(note, component.c.name_key)
        .join(component, component.c.id == note.c.component_id)
        .where(component.c.account == work.author.account, component.c.name_key.in_(names))
        .order_by(note.c.step, note.c.id)
    )
    found: dict[str, list[Note]] = {}
    for row in rows:
        found.setdefault(row.name_key, []).append(_read(row))
    return found


def _read(row: sa.Row[Any]) -> Note:
    return Note(row.id, row.metric, row.step, row.text, row.created_us, row.created_by)
