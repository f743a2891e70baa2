"""How far tables of the catalog follow the store. Within the caller's transaction."""

from __future__ import annotations

import sqlalchemy as sa

from stepwell.catalog.tables import progress


def mark(connection: sa.Connection, name: str) -> int:
    """Give the mark up to which something was followed; 0 for not at all."""
    return connection.scalar(sa.select(progress.c.mark).where(progress.c.name == name)) or 0


def note(connection: sa.Connection, name: str, new_mark: int) -> None:
    """Note a new mark."""
    changed = connection.execute(
        sa.update(progress).where(progress.c.name == name).values(mark=new_mark)
    )
    if changed.rowcount == 0:
        connection.execute(sa.insert(progress).values(name=name, mark=new_mark))
