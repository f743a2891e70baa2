"""Names to numbers: which components and series there are (registry.db).

Owns the numbers that every other file uses. Numbers are never given twice, so that a component that
is deleted and made again is another one. Knows nothing of points.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from stepwell.model.names import Component
from stepwell.store.protocol import NewComponent
from stepwell.store.sqlite.folder import REGISTRY_FILE, VARIABLES_MAX, Folder, transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS component (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    UNIQUE (account, name)
);
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    component INTEGER NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (component, name)
);
CREATE TABLE IF NOT EXISTS slot (
    slot INTEGER PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS tombstone (
    component INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    deleted_us INTEGER NOT NULL,
    purged INTEGER NOT NULL DEFAULT 0
);
"""

#: The access keys of the puts that made components: of those that were made with one.
_CREATORS = """
CREATE TABLE IF NOT EXISTS creator (
    component INTEGER PRIMARY KEY,
    owner TEXT NOT NULL
);
"""

#: Names remembered by a writer before it forgets them all and asks the file again.
_CACHED_SERIES_MAX = 200_000
#: No put waits for longer than this, so older deletions cannot concern one.
_DELETIONS_KEPT_US = 600_000_000
#: Components that a caller who follows gets at a time.
_FOLLOWED_MAX = 10_000


class SeriesRow(NamedTuple):
    """A series as registered: its component's number, its own, whose it is and its name."""

    component_id: int
    series_id: int
    component: Component
    metric: str


class Registry:
    """One connection to registry.db, for one thread at a time. Reads are always fresh."""

    def __init__(self, folder: Folder) -> None:
        """Open the file and make it where it is missing."""
        self.db = folder.connect(REGISTRY_FILE, schema=SCHEMA + _CREATORS)
        # A folder may be of a time when nobody noted who made a component.
        if not self.db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'creator'").fetchone():
            self.db.executescript(_CREATORS)

    def component_id(self, component: Component) -> int | None:
        """Look a live component up."""
        row = self.db.execute(
            "SELECT id FROM component WHERE account = ? AND name = ?", component
        ).fetchone()
        return None if row is None else row[0]

    def series_id(self, component_id: int, metric: str) -> int | None:
        """Look a series up."""
        row = self.db.execute(
            "SELECT id FROM series WHERE component = ? AND name = ?",
            (component_id, metric),
        ).fetchone()
        return None if row is None else row[0]

    def series_of(self, component_id: int, metrics: Sequence[str] | None = None) -> dict[str, int]:
        """List a component's series, or some of them, by name."""
        query = "SELECT name, id FROM series WHERE component = ?"
        if metrics is not None:
            query += f" AND name IN ({','.join('?' * len(metrics))})"
        rows = self.db.execute(f"{query} ORDER BY name", (component_id, *(metrics or ())))
        return dict(rows)

    def live_components(self, component_ids: Iterable[int]) -> set[int]:
        """Keep the numbers of components that were not deleted."""
        wanted = list(component_ids)
        live: set[int] = set()
        for first in range(0, len(wanted), VARIABLES_MAX):
            part = wanted[first : first + VARIABLES_MAX]
            marks = ",".join("?" * len(part))
            rows = self.db.execute(f"SELECT id FROM component WHERE id IN ({marks})", part)
            live.update(row[0] for row in rows)
        return live

    def components_after(self, number: int) -> tuple[list[NewComponent], int]:
        """List live components by number, some after one, and the last one's number."""
        rows = self.db.execute(
            "SELECT id, account, name, created_us, coalesce(owner, '') FROM component"
            " LEFT JOIN creator ON creator.component = id WHERE id > ? ORDER BY id LIMIT ?",
            (number, _FOLLOWED_MAX),
        ).fetchall()
        found = [NewComponent(Component(row[1], row[2]), row[3], row[4]) for row in rows]
        return found, rows[-1][0] if rows else number

    def names(self) -> dict[int, Component]:
        """Name all live components by number."""
        rows = self.db.execute("SELECT id, account, name FROM component")
        return {row[0]: Component(row[1], row[2]) for row in rows}

    def names_of(self, component_ids: Iterable[int]) -> dict[int, Component]:
        """Name components by number; those that were deleted have none."""
        wanted = list(component_ids)
        names: dict[int, Component] = {}
        for first in range(0, len(wanted), VARIABLES_MAX):
            part = wanted[first : first + VARIABLES_MAX]
            marks = ",".join("?" * len(part))
            rows = self.db.execute(
                f"SELECT id, account, name FROM component WHERE id IN ({marks})", part
            )
            names |= {row[0]: Component(row[1], row[2]) for row in rows}
        return names

    def create(self, component: Component, now_us: int) -> None:
        """Register a component without series; nothing happens where it is there."""
        self.register([_Registration(component, Known(None, {}), (), now_us)], None)

    def describe_series(self, series_id: int) -> SeriesRow | None:
        """Say whose a series is; None for one that is not registered or whose component is gone."""
        row = self.db.execute(
            "SELECT c.id, s.id, c.account, c.name, s.name FROM series s"
            " JOIN component c ON c.id = s.component WHERE s.id = ?",
            (series_id,),
        ).fetchone()
        return None if row is None else SeriesRow(row[0], row[1], Component(row[2], row[3]), row[4])

    def counts(self) -> tuple[int, int]:
        """Count live components and their series."""
        components, series = self.db.execute(
            "SELECT (SELECT count(*) FROM component),"
            " (SELECT count(*) FROM series JOIN component ON component.id = series.component)"
        ).fetchone()
        return components, series

    def delete(self, component: Component, now_us: int) -> bool:
        """Make a component vanish. Its series stay until `purge`. False if there is none."""
        with transaction(self.db):
            component_id = self.component_id(component)
            if component_id is None:
                return False
            self.db.execute("DELETE FROM component WHERE id = ?", (component_id,))
            self.db.execute("DELETE FROM creator WHERE component = ?", (component_id,))
            self.db.execute(
                "INSERT INTO tombstone (component, account, name, deleted_us) VALUES (?, ?, ?, ?)",
                (component_id, *component, now_us),
            )
        return True

    def unpurged(self) -> list[int]:
        """List deleted components whose points may still take up space."""
        return [
            row[0] for row in self.db.execute("SELECT component FROM tombstone WHERE NOT purged")
        ]

    def purge(self, component_id: int) -> None:
        """Forget a deleted component's series, once no chunk of theirs is left.

        The tombstone itself stays: a worker that was asleep may yet come with points.
        """
        with transaction(self.db):
            self.db.execute("DELETE FROM series WHERE component = ?", (component_id,))
            self.db.execute("UPDATE tombstone SET purged = 1 WHERE component = ?", (component_id,))

    def add_slot(self, slot: int) -> None:
        """Make a hot file known to everyone, before its first put is answered."""
        if slot not in self.slots():
            with transaction(self.db):
                self.db.execute("INSERT OR IGNORE INTO slot VALUES (?)", (slot,))

    def slots(self) -> list[int]:
        """List the slots whose hot files may hold points."""
        return [row[0] for row in self.db.execute("SELECT slot FROM slot ORDER BY slot")]

    def keep_slots(self, slots: Iterable[int]) -> None:
        """Forget all slots but these: a backup has no hot files of the others."""
        with transaction(self.db):
            self.db.execute("DELETE FROM slot")
            self.db.executemany("INSERT INTO slot VALUES (?)", [(slot,) for slot in slots])

    def last_tombstone(self) -> tuple[int, int]:
        """Give a mark that changes with every deletion, in any process."""
        count, last = self.db.execute(
            "SELECT count(*), coalesce(max(component), 0) FROM tombstone"
        ).fetchone()
        return count, last

    def deleted_since(self, since_us: int) -> dict[Component, int]:
        """List components deleted since a time, and when (the last time, if several)."""
        rows = self.db.execute(
            "SELECT account, name, deleted_us FROM tombstone WHERE deleted_us >= ?"
            " ORDER BY deleted_us",
            (since_us,),
        )
        return {Component(account, name): deleted_us for account, name, deleted_us in rows}

    def data_version(self) -> int:
        """Give a number that changes when another connection commits to the file. Cheap."""
        version: int = self.db.execute("PRAGMA data_version").fetchone()[0]
        return version

    def register(self, wanted: Sequence[_Registration], metrics_max: int | None) -> None:
        """Register components and series in one durable transaction, and fill in their numbers.

        A component's names past `metrics_max` are left out of its `series`.
        """
        with transaction(self.db):
            for each in wanted:
                known = each.known
                if known.component_id is None:
                    known.component_id = self._insert_component(each)
                component_id = known.component_id
                count = self._series_count(component_id)
                for name in each.names:
                    series_id = self.series_id(component_id, name)
                    if series_id is None:
                        if metrics_max is not None and count >= metrics_max:
                            continue
                        series_id = self._insert_series(component_id, name)
                        count += 1
                    known.series[name] = series_id

    def _insert_component(self, each: _Registration) -> int:
        existing = self.component_id(each.component)
        if existing is not None:
            return existing
        cursor = self.db.execute(
            "INSERT INTO component (account, name, created_us) VALUES (?, ?, ?)",
            (*each.component, each.now_us),
        )
        component_id = int(cursor.lastrowid or 0)
        if each.owner:
            self.db.execute(
                "INSERT INTO creator (component, owner) VALUES (?, ?)", (component_id, each.owner)
            )
        return component_id

    def _insert_series(self, component_id: int, name: str) -> int:
        cursor = self.db.execute(
            "INSERT INTO series (component, name) VALUES (?, ?)", (component_id, name)
        )
        return int(cursor.lastrowid or 0)

    def _series_count(self, component_id: int) -> int:
        row = self.db.execute("SELECT count(*) FROM series WHERE component = ?", (component_id,))
        count: int = row.fetchone()[0]
        return count

    def close(self) -> None:
        """Close the connection."""
        self.db.close()


class Known:
    """What a writer remembers of a component: its number (None: not made yet) and its series'."""

    __slots__ = ("component_id", "series")

    def __init__(self, component_id: int | None, series: dict[str, int]) -> None:
        """Start from what the file says."""
        self.component_id = component_id
        self.series = series


class _Registration(NamedTuple):
    component: Component
    known: Known
    names: Sequence[str]
    now_us: int
    owner: str = ""


class NameCache:
    """A writer's memory of names, so that a put to known ones asks no file. For one thread."""

    def __init__(self, registry: Registry, metrics_max: int | None) -> None:
        """Remember nothing yet."""
        self._registry = registry
        self._metrics_max = metrics_max
        self._known: dict[Component, Known] = {}
        self._series_count = 0
        self._version = -1
        self._tombstone = (-1, -1)
        self._deleted: dict[Component, int] = {}

    def was_deleted_since(self, component: Component, since_us: int | None) -> bool:
        """Say whether a component was deleted at or after a time, as of the last `refresh`."""
        if since_us is None or not self._deleted:
            return False
        return self._deleted.get(component, -1) >= since_us

    def refresh(self, now_us: int) -> bool:
        """Forget everything if a component was deleted, here or elsewhere.

        Returns whether another connection has changed the file since the last call.
        """
        if self._series_count >= _CACHED_SERIES_MAX:
            self.forget()
        version = self._registry.data_version()
        if version == self._version:
            return False
        self._version = version
        tombstone = self._registry.last_tombstone()
        if tombstone != self._tombstone:
            self._tombstone = tombstone
            self._deleted = self._registry.deleted_since(now_us - _DELETIONS_KEPT_US)
            self.forget()
        return True

    def forget(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._series_count = 0

    def numbers(self, component: Component, metrics: Sequence[str]) -> tuple[int, list[int]] | None:
        """Give the component's number and those of its metrics, if all of them are remembered."""
        known = self._known.get(component)
        if known is None or known.component_id is None:
            return None
        try:
            return known.component_id, list(map(known.series.__getitem__, metrics))
        except KeyError:
            return None

    def resolve(
        self,
        wanted: Mapping[Component, Iterable[str]],
        now_us: int,
        owners: Mapping[Component, str],
    ) -> dict[Component, Known]:
        """Give the numbers of components and names, and register those that have none.

        `owners` are the access keys of the components' first puts.
        Names that would go past the limit are missing from their component's `series`.
        """
        result: dict[Component, Known] = {}
        registrations = []
        for component, names in wanted.items():
            known = result[component] = self._recall(component)
            # In the order of the requests: where there is room for some only, the first ones win.
            missing = [name for name in names if name not in known.series]
            if missing or known.component_id is None:
                owner = owners.get(component, "")
                registrations.append(_Registration(component, known, missing, now_us, owner))
        if registrations:
            try:
                self._registry.register(registrations, self._metrics_max)
            except (sqlite3.Error, OSError):
                self.forget()
                raise
            self._series_count += sum(len(each.names) for each in registrations)
        return result

    def _recall(self, component: Component) -> Known:
        known = self._known.get(component)
        if known is None:
            component_id = self._registry.component_id(component)
            series = {} if component_id is None else self._registry.series_of(component_id)
            known = self._known[component] = Known(component_id, series)
            self._series_count += len(series) + 1
        return known
