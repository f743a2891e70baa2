"""The catalog's tables. Knows no SQL dialect: SQLite and PostgreSQL get the same.

Names are unique without regard to case and shown as created, so each has a `name_key` beside it.
Times are microseconds since the epoch. `tests/store/test_catalog_schema.py` holds the migrations to
what stands here.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite numbers rows by itself only where the key is an INTEGER.
_Id = BigInteger().with_variant(Integer, "sqlite")
#: Characters of a text that an index looks at: PostgreSQL bounds the bytes of an index entry.
TEXT_KEY_CHARS = 120


def _id() -> Column[int]:
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _owner(table: str, *, primary_key: bool = True) -> Column[int]:
    """A reference to the row that this one goes away with."""
    return Column(
        f"{table}_id",
        _Id,
        ForeignKey(f"{table}.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


def _named() -> list[Column[str]]:
    return [
        Column("account", String(12), nullable=False),
        Column("name", String(120), nullable=False),
        Column("name_key", String(120), nullable=False),
    ]


def _changed() -> list[Column[int] | Column[str]]:
    """When and by which access key a row was made and last changed."""
    return [
        Column("created_us", BigInteger, nullable=False),
        Column("created_by", String(128), nullable=False, default=""),
        Column("modified_us", BigInteger, nullable=False),
        Column("modified_by", String(128), nullable=False, default=""),
    ]


def _listed(*columns: str) -> list[Index]:
    """Indexes for lists: within an account, by a column or by number."""
    by_column = [Index(None, "account", column, "id") for column in columns]
    return [*by_column, Index(None, "account", "id")]


def _searched(key: str, *values: str) -> list[Index]:
    """Indexes for searches: by a value of one key. With the owner, whom a list is sorted by too."""
    return [Index(None, key, value, "component_id") for value in values]


experiment = Table(
    "experiment",
    metadata,
    _id(),
    *_named(),
    Column("display_name", String(120)),
    Column("description", Text),
    *_changed(),
    UniqueConstraint("account", "name_key"),
    *_listed("created_us", "modified_us"),
)

trial = Table(
    "trial",
    metadata,
    _id(),
    *_named(),
    Column("experiment_id", _Id, ForeignKey("experiment.id"), nullable=False),
    Column("display_name", String(120)),
    Column("metadata", JSON, nullable=False, default=dict),
    *_changed(),
    UniqueConstraint("account", "name_key"),
    Index(None, "experiment_id", "created_us", "id"),
    *_listed("created_us", "modified_us"),
)

component = Table(
    "component",
    metadata,
    _id(),
    *_named(),
    Column("display_name", String(120)),
    Column("status", String(16)),
    Column("status_message", Text),
    Column("start_us", BigInteger),
    Column("end_us", BigInteger),
    Column("metadata", JSON, nullable=False, default=dict),
    *_changed(),
    UniqueConstraint("account", "name_key"),
    *_listed("created_us", "modified_us", "start_us", "end_us", "status"),
)

#: Which components are in which trials.
membership = Table(
    "membership",
    metadata,
    Column("trial_id", _Id, ForeignKey("trial.id"), primary_key=True),
    Column("component_id", _Id, ForeignKey("component.id"), primary_key=True),
    Column("created_us", BigInteger, nullable=False),
    Index(None, "component_id", "trial_id"),
)

#: One of the two values is there. `text_key` is the text's first characters, for the index.
parameter = Table(
    "parameter",
    metadata,
    _owner("component"),
    Column("name", String(320), primary_key=True),
    Column("number", Double),
    Column("text", Text),
    Column("text_key", String(TEXT_KEY_CHARS)),
    *_searched("name", "number", "text_key"),
)

#: A component's input and output artifacts (`is_output` 0 or 1): names, URIs, media types.
component_artifact = Table(
    "component_artifact",
    metadata,
    _owner("component"),
    Column("is_output", SmallInteger, primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("value", Text, nullable=False),
    Column("media_type", String(64)),
)

#: The store's summaries as far as they were asked for, so that a search can compare them in SQL.
#: What is NaN is NULL.
metric_summary = Table(
    "metric_summary",
    metadata,
    _owner("component"),
    Column("metric", String(255), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("min", Double),
    Column("max", Double),
    Column("last", Double),
    Column("avg", Double),
    Column("std_dev", Double),
    Column("timestamp_us", BigInteger, nullable=False),
    *_searched("metric", "last", "min", "max", "avg"),
)

#: As of which of the store's stamps a component's summaries are, for all processes. The version
#: counts how often they were written.
summary_stamp = Table(
    "summary_stamp",
    metadata,
    _owner("component"),
    Column("stamp", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
)

#: What people note at a step of a component; `metric` is NULL where it is about all of them.
note = Table(
    "note",
    metadata,
    _id(),
    _owner("component", primary_key=False),
    Column("metric", String(255)),
    Column("step", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(128), nullable=False, default=""),
    Index(None, "component_id", "step", "id"),
)

#: How far other tables follow the store: the marks that it gave.
progress = Table(
    "progress",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("mark", BigInteger, nullable=False),
)

#: Tags of any entity. `entity_kind` is a `model.experiments.Kind`; `id` keeps the order of adding.
tag = Table(
    "tag",
    metadata,
    _id(),
    Column("entity_kind", String(16), nullable=False),
    Column("entity_id", _Id, nullable=False),
    Column("key", String(128), nullable=False),
    Column("value", String(256), nullable=False),
    UniqueConstraint("entity_kind", "entity_id", "key"),
    # The key first: who reads one entity's tags must not take this index for its kind.
    Index(None, "key", "entity_kind", "value", "entity_id"),
)

#: Artifacts, actions and contexts. `identity` is unique within account and kind: an artifact's is
#: the hash of its source, the others' is their `name_key`.
lineage_entity = Table(
    "lineage_entity",
    metadata,
    _id(),
    Column("account", String(12), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("identity", String(120), nullable=False),
    Column("name", String(120)),
    Column("name_key", String(120)),
    Column("type", String(256), nullable=False),
    Column("source_uri", Text, nullable=False),
    Column("source_key", String(TEXT_KEY_CHARS), nullable=False),
    Column("source", JSON, nullable=False, default=dict),
    Column("description", Text),
    Column("status", String(16)),
    Column("properties", JSON, nullable=False, default=dict),
    Column("metadata", JSON, nullable=False, default=dict),
    *_changed(),
    UniqueConstraint("account", "kind", "identity"),
    Index(None, "account", "kind", "created_us", "id"),
    Index(None, "account", "kind", "source_key"),
)

#: Edges between entities of any kind.
association = Table(
    "association",
    metadata,
    _id(),
    Column("account", String(12), nullable=False),
    Column("source_kind", String(16), nullable=False),
    Column("source_id", _Id, nullable=False),
    Column("destination_kind", String(16), nullable=False),
    Column("destination_id", _Id, nullable=False),
    Column("type", String(16)),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(128), nullable=False, default=""),
    UniqueConstraint(
        "source_kind", "source_id", "destination_kind", "destination_id", name="uq_association_ends"
    ),
    Index(None, "destination_kind", "destination_id"),
    Index(None, "account", "created_us", "id"),
)

access_key = Table(
    "access_key",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("role", String(16), nullable=False),
    Column("name", String(256)),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
    Column("secret", LargeBinary, nullable=False),
    Index(None, "account"),
)

#: What the service keeps about itself, such as the key that its page tokens are signed with.
meta = Table(
    "meta",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
