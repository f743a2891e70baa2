"""What experiments, trials and components have in common: names, stamps, lists.

Every function works within the caller's transaction (see `database`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from stepwell.catalog.paging import Page, Paging, Place, fetch_page
from stepwell.catalog.tables import association
from stepwell.model.errors import AlreadyExistsError, NotFoundError
from stepwell.model.experiments import Author, Kind, Stamp
from stepwell.model.limits import Limits
from stepwell.model.names import fold

_Entity = TypeVar("_Entity")


class Listed(NamedTuple, Generic[_Entity]):
    """A page of entities, and the place to go on from (None: that was the last page)."""

    entities: list[_Entity]
    end: Place | None


_WORDS = {
    Kind.EXPERIMENT: "Experiment",
    Kind.TRIAL: "Trial",
    Kind.COMPONENT: "TrialComponent",
    Kind.ARTIFACT: "Artifact",
    Kind.ACTION: "Action",
    Kind.CONTEXT: "Context",
}


class Work(NamedTuple):
    """A transaction, who asked for it, when, and whose limits hold."""

    connection: sa.Connection
    author: Author
    now_us: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Listing:
    """What is asked of a list: the column to sort by, a range of creation times, a page."""

    sort_by: str
    paging: Paging
    created_after_us: int | None = None
    created_before_us: int | None = None


def word(kind: Kind) -> str:
    """Give a kind's name for messages, as AWS spells it: `ExperimentTrial` is `Trial`."""
    return _WORDS[kind]


def not_found(kind: Kind, author: Author, name: str) -> NotFoundError:
    """Make the error for an entity that is not there."""
    return NotFoundError(f"{word(kind)} '{author.arn(kind, name)}' does not exist.")


def find(work: Work, table: sa.Table, name: str) -> sa.Row[Any] | None:
    """Look an entity up by its name, without regard to case."""
    return work.connection.execute(
        sa.select(table).where(
            table.c.account == work.author.account, table.c.name_key == fold(name)
        )
    ).one_or_none()


def check_free(work: Work, table: sa.Table, kind: Kind, name: str) -> None:
    """Check that a name is free, in whatever case.

    Raises:
        AlreadyExistsError: it is taken.
    """
    if find(work, table, name) is not None:
        raise _taken(kind, name)


def insert(work: Work, table: sa.Table, kind: Kind, values: Mapping[str, Any]) -> int:
    """Insert a named entity and give its number.

    Raises:
        AlreadyExistsError: the name is taken, in whatever case.
    """
    name = values["name"]
    check_free(work, table, kind, name)
    author = work.author
    try:
        result = work.connection.execute(
            sa.insert(table).values(
                **values,
                account=author.account,
                name_key=fold(name),
                created_us=work.now_us,
                created_by=author.key_id,
                modified_us=work.now_us,
                modified_by=author.key_id,
            )
        )
    except IntegrityError as error:
        # Another one was faster, where transactions do not wait for each other.
        raise _taken(kind, name) from error
    (number,) = result.inserted_primary_key or (0,)
    return int(number)


def _taken(kind: Kind, name: str) -> AlreadyExistsError:
    return AlreadyExistsError(f"{word(kind)} with name ({name}) already exists.")


def update(work: Work, table: sa.Table, number: int, values: Mapping[str, Any]) -> None:
    """Change an entity's columns, and note when and by whom."""
    work.connection.execute(
        sa.update(table)
        .where(table.c.id == number)
        .values(**values, modified_us=work.now_us, modified_by=work.author.key_id)
    )


def fetch_list(
    connection: sa.Connection, table: sa.Table, query: sa.Select[Any], listing: Listing
) -> Page:
    """Fetch a page of a table's rows, by `name_key` or by a time."""
    if listing.created_after_us is not None:
        query = query.where(table.c.created_us >= listing.created_after_us)
    if listing.created_before_us is not None:
        query = query.where(table.c.created_us < listing.created_before_us)
    return fetch_page(connection, query, table.c[listing.sort_by], table.c.id, listing.paging)


def listed(page: Page, read: Callable[[sa.Row[Any]], _Entity]) -> Listed[_Entity]:
    """Give a page's rows as entities."""
    return Listed([read(row) for row in page.rows], page.end)


def forget_associations(connection: sa.Connection, kind: Kind, number: int) -> None:
    """Remove the lineage edges of an entity that goes."""
    edge = association.c
    connection.execute(
        sa.delete(association).where(
            sa.or_(
                sa.and_(edge.source_kind == kind.value, edge.source_id == number),
                sa.and_(edge.destination_kind == kind.value, edge.destination_id == number),
            )
        )
    )


def stamp(row: sa.Row[Any]) -> Stamp:
    """Read a row's stamp."""
    return Stamp(row.created_us, row.created_by, row.modified_us, row.modified_by)


def name_of_arn_or_name(kind: Kind, text: str) -> str:
    """Give the name in a full ARN, whatever its region and account, or the name as it is.

    Raises:
        NotFoundError: it is the ARN of another kind of entity.
    """
    match = re.fullmatch(r"arn:[^/]*:([^:/]*)/(.*)", text, re.DOTALL)
    if match is None:
        return text
    if match.group(1) != kind:
        msg = f"{word(kind)} '{text}' does not exist."
        raise NotFoundError(msg)
    return match.group(2)
