"""What the service keeps about itself. Within the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from stepwell.catalog.tables import meta


def get_or_make(connection: sa.Connection, name: str, make: Callable[[], bytes]) -> bytes:
    """Give a value, and make it where there is none yet."""
    value = connection.scalar(sa.select(meta.c.value).where(meta.c.name == name))
    if value is None:
        value = make()
        connection.execute(sa.insert(meta).values(name=name, value=value))
    return value
