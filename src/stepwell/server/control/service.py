"""What the handlers of the control plane work with."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from stepwell.catalog import settings
from stepwell.catalog.database import Database
from stepwell.catalog.entities import Work
from stepwell.components import Components
from stepwell.model.experiments import Author
from stepwell.model.limits import Limits
from stepwell.server.control.tokens import Tokens
from stepwell.store.protocol import Reader

_TOKEN_KEY = "page-token-key"  # noqa: S105 - a name


class Control:
    """The catalog and the components of one worker. Handlers run on threads."""

    def __init__(self, database: Database, store: Reader, limits: Limits) -> None:
        """Hold the parts; it owns none of them.

        Raises:
            StoreUnavailableError: the catalog is away.
        """
        self.limits = limits
        self.components = Components(store, database)
        self._database = database
        with database.write() as connection:
            key = settings.get_or_make(connection, _TOKEN_KEY, lambda: os.urandom(32))
        self.tokens = Tokens(key)

    @contextlib.contextmanager
    def reading(self, author: Author) -> Iterator[Work]:
        """Open one snapshot of the catalog that has every component of an answered put."""
        self.components.follow()
        with self._database.read() as connection:
            yield Work(connection, author, _now_us(), self.limits)

    @contextlib.contextmanager
    def writing(self, author: Author) -> Iterator[Work]:
        """Open one transaction on the catalog: durable at its end, or undone by an exception."""
        self.components.follow()
        with self._database.write() as connection:
            yield Work(connection, author, _now_us(), self.limits)


#: Validated members in, the answer's document out.
Handler = Callable[[Control, Author, dict[str, Any]], dict[str, Any]]


def _now_us() -> int:
    return time.time_ns() // 1000
