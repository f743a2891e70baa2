"""Artifacts, actions and contexts. Every function works within the caller's transaction.

An artifact is known by its source: URI and source types, hashed. The others are known by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from stepwell.catalog import tags
from stepwell.catalog.entities import (
    Listed,
    Listing,
    Work,
    fetch_list,
    listed,
    not_found,
    stamp,
    word,
)
from stepwell.catalog.tables import TEXT_KEY_CHARS, association, lineage_entity
from stepwell.model.errors import AlreadyExistsError, ConstraintError, LimitExceededError
from stepwell.model.experiments import Kind, Tag
from stepwell.model.lineage import LineageEntity
from stepwell.model.names import fold

PROPERTIES_MAX = 30
_HASH_CHARS = 32


@dataclass(frozen=True, slots=True)
class NewEntity:
    """What is needed to make one."""

    kind: Kind
    name: str | None
    type: str
    source_uri: str
    source: Mapping[str, Any]
    description: str | None = None
    status: str | None = None
    properties: Mapping[str, str] | None = None
    metadata: Mapping[str, str] | None = None


def artifact_identity(source_uri: str, source_types: Sequence[Mapping[str, str]]) -> str:
    """Hash an artifact's source; the order of its types does not matter."""
    types = sorted((each["SourceIdType"], each["Value"]) for each in source_types)
    document = json.dumps([source_uri, types], ensure_ascii=False)
    return hashlib.sha256(document.encode()).hexdigest()[:_HASH_CHARS]


def create(work: Work, new: NewEntity, identity: str, with_tags: Sequence[Tag]) -> None:
    """Create an entity.

    Raises:
        AlreadyExistsError: there is one of that identity.
        LimitExceededError: the account has all that it may have.
    """
    if _find(work, new.kind, identity) is not None:
        what = new.name or work.author.arn(new.kind, identity)
        msg = f"{word(new.kind)} with name or source ({what}) already exists."
        raise AlreadyExistsError(msg)
    _check_room(work, new.kind)
    author = work.author
    result = work.connection.execute(
        sa.insert(lineage_entity).values(
            account=author.account,
            kind=new.kind.value,
            identity=identity,
            name=new.name,
            name_key=None if new.name is None else fold(new.name),
            type=new.type,
            source_uri=new.source_uri,
            source_key=new.source_uri[:TEXT_KEY_CHARS],
            source=dict(new.source),
            description=new.description,
            status=new.status,
            properties=dict(new.properties or {}),
            metadata=dict(new.metadata or {}),
            created_us=work.now_us,
            created_by=author.key_id,
            modified_us=work.now_us,
            modified_by=author.key_id,
        )
    )
    (number,) = result.inserted_primary_key or (0,)
    tags.add(work.connection, new.kind, number, with_tags)


def get(work: Work, kind: Kind, identity: str) -> LineageEntity:
    """Read an entity by its identity, in whatever case.

    Raises:
        NotFoundError: there is none.
    """
    row = _find(work, kind, fold(identity))
    if row is None:
        raise not_found(kind, work.author, identity)
    return read(row)


def update(
    work: Work,
    kind: Kind,
    identity: str,
    values: Mapping[str, Any],
    properties: Mapping[str, str],
    removed: Collection[str],
) -> LineageEntity:
    """Change columns, merge properties, then remove some: one in both is removed.

    Raises:
        NotFoundError: there is none.
        ConstraintError: it would have too many properties.
    """
    found = get(work, kind, identity)
    merged = {**found.properties, **properties}
    merged = {name: value for name, value in merged.items() if name not in removed}
    if len(merged) > PROPERTIES_MAX:
        msg = f"Properties would have {len(merged)} entries; at most {PROPERTIES_MAX}"
        raise ConstraintError(msg)
    work.connection.execute(
        sa.update(lineage_entity)
        .where(lineage_entity.c.id == found.id)
        .values(
            **values,
            properties=merged,
            modified_us=work.now_us,
            modified_by=work.author.key_id,
        )
    )
    return found


def delete(work: Work, kind: Kind, identity: str) -> LineageEntity:
    """Delete an entity that has no associations.

    Raises:
        NotFoundError: there is none.
        ConstraintError: it has associations.
    """
    found = get(work, kind, identity)
    edge = association.c
    touches = sa.or_(
        sa.and_(edge.source_kind == kind.value, edge.source_id == found.id),
        sa.and_(edge.destination_kind == kind.value, edge.destination_id == found.id),
    )
    if work.connection.scalar(sa.select(edge.id).where(touches).limit(1)) is not None:
        arn = work.author.arn(kind, found.identity)
        msg = f"{word(kind)} '{arn}' has 1 or more associations and cannot be deleted."
        raise ConstraintError(msg)
    tags.forget(work.connection, kind, found.id)
    work.connection.execute(sa.delete(lineage_entity).where(lineage_entity.c.id == found.id))
    return found


def list_page(
    work: Work, listing: Listing, kind: Kind, source_uri: str | None, type_: str | None
) -> Listed[LineageEntity]:
    """List a page of the account's entities of a kind."""
    table = lineage_entity.c
    query = sa.select(lineage_entity).where(
        table.account == work.author.account, table.kind == kind.value
    )
    if source_uri is not None:
        query = query.where(
            table.source_key == source_uri[:TEXT_KEY_CHARS], table.source_uri == source_uri
        )
    if type_ is not None:
        query = query.where(table.type == type_)
    return listed(fetch_list(work.connection, lineage_entity, query, listing), read)


def read(row: sa.Row[Any]) -> LineageEntity:
    """Make an entity of its row."""
    kind = Kind(row.kind)
    return LineageEntity(
        row.id,
        kind,
        row.identity if kind is Kind.ARTIFACT else row.name,
        row.name,
        row.type,
        row.source_uri,
        row.source,
        row.description,
        row.status,
        row.properties,
        row.metadata,
        stamp(row),
    )


def _find(work: Work, kind: Kind, identity: str) -> sa.Row[Any] | None:
    table = lineage_entity.c
    return work.connection.execute(
        sa.select(lineage_entity).where(
            table.account == work.author.account,
            table.kind == kind.value,
            table.identity == identity,
        )
    ).one_or_none()


def _check_room(work: Work, kind: Kind) -> None:
    limit = {
        Kind.ARTIFACT: work.limits.artifacts_per_account,
        Kind.CONTEXT: work.limits.contexts_per_account,
    }.get(kind)
    if limit is None:
        return
    table = lineage_entity.c
    used = work.connection.scalar(
        sa.select(sa.func.count()).where(
            table.account == work.author.account, table.kind == kind.value
        )
    )
    if (used or 0) >= limit:
        msg = (
            f"The account-level service limit 'Total number of {word(kind).lower()}s' is {limit},"
            f" with current utilization of {used} and a request delta of 1."
        )
        raise LimitExceededError(msg)
