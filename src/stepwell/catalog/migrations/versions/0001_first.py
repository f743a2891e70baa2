"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "access_key",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=True),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_key")),
    )
    op.create_index(op.f("ix_access_key_account"), "access_key", ["account"], unique=False)
    op.create_table(
        "association",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("source_kind", sa.String(length=16), nullable=False),
        sa.Column(
            "source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("destination_kind", sa.String(length=16), nullable=False),
        sa.Column(
            "destination_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("type", sa.String(length=16), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_association")),
        sa.UniqueConstraint(
            "source_kind",
            "source_id",
            "destination_kind",
            "destination_id",
            name="uq_association_ends",
        ),
    )
    op.create_index(
        op.f("ix_association_account_created_us_id"),
        "association",
        ["account", "created_us", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_association_destination_kind_destination_id"),
        "association",
        ["destination_kind", "destination_id"],
        unique=False,
    )
    op.create_table(
        "component",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("name_key", sa.String(length=120), nullable=False),
        sa.Column("display_name", sa.String(length=120), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("status_message", sa.Text(), nullable=True),
        sa.Column("start_us", sa.BigInteger(), nullable=True),
        sa.Column("end_us", sa.BigInteger(), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("modified_us", sa.BigInteger(), nullable=False),
        sa.Column("modified_by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_component")),
        sa.UniqueConstraint("account", "name_key", name=op.f("uq_component_account_name_key")),
    )
    op.create_index(
        op.f("ix_component_account_created_us_id"),
        "component",
        ["account", "created_us", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_component_account_end_us_id"),
        "component",
        ["account", "end_us", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_component_account_modified_us_id"),
        "component",
        ["account", "modified_us", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_component_account_start_us_id"),
        "component",
        ["account", "start_us", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_component_account_status_id"),
        "component",
        ["account", "status", "id"],
        unique=False,
    )
    op.create_table(
        "experiment",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("name_key", sa.String(length=120), nullable=False),
        sa.Column("display_name", sa.String(length=120), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("modified_us", sa.BigInteger(), nullable=False),
        sa.Column("modified_by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment")),
        sa.UniqueConstraint("account", "name_key", name=op.f("uq_experiment_account_name_key")),
    )
    op.create_index(
        op.f("ix_experiment_account_created_us_id"),
        "experiment",
        ["account", "created_us", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_experiment_account_modified_us_id"),
        "experiment",
        ["account", "modified_us", "id"],
        unique=False,
    )
    op.create_table(
        "lineage_entity",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("identity", sa.String(length=120), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=True),
        sa.Column("name_key", sa.String(length=120), nullable=True),
        sa.Column("type", sa.String(length=256), nullable=False),
        sa.Column("source_uri", sa.Text(), nullable=False),
        sa.Column("source_key", sa.String(length=120), nullable=False),
        sa.Column("source", sa.JSON(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("properties", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("modified_us", sa.BigInteger(), nullable=False),
        sa.Column("modified_by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lineage_entity")),
        sa.UniqueConstraint(
            "account", "kind", "identity", name=op.f("uq_lineage_entity_account_kind_identity")
        ),
    )
    op.create_index(
        op.f("ix_lineage_entity_account_kind_created_us_id"),
        "lineage_entity",
        ["account", "kind", "created_us", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_lineage_entity_account_kind_source_key"),
        "lineage_entity",
        ["account", "kind", "source_key"],
        unique=False,
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meta")),
    )
    op.create_table(
        "progress",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_progress")),
    )
    op.create_table(
        "tag",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("entity_kind", sa.String(length=16), nullable=False),
        sa.Column(
            "entity_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
        sa.UniqueConstraint(
            "entity_kind", "entity_id", "key", name=op.f("uq_tag_entity_kind_entity_id_key")
        ),
    )
    op.create_index(
        op.f("ix_tag_key_entity_kind_value_entity_id"),
        "tag",
        ["key", "entity_kind", "value", "entity_id"],
        unique=False,
    )
    op.create_table(
        "component_artifact",
        sa.Column(
            "component_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("is_output", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["component_id"],
            ["component.id"],
            name=op.f("fk_component_artifact_component_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "component_id", "is_output", "name", name=op.f("pk_component_artifact")
        ),
    )
    op.create_table(
        "metric_summary",
        sa.Column(
            "component_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("metric", sa.String(length=255), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("min", sa.Double(), nullable=True),
        sa.Column("max", sa.Double(), nullable=True),
        sa.Column("last", sa.Double(), nullable=True),
        sa.Column("avg", sa.Double(), nullable=True),
        sa.Column("std_dev", sa.Double(), nullable=True),
        sa.Column("timestamp_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["component_id"],
            ["component.id"],
            name=op.f("fk_metric_summary_component_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("component_id", "metric", name=op.f("pk_metric_summary")),
    )
    op.create_index(
        op.f("ix_metric_summary_metric_last_component_id"),
        "metric_summary",
        ["metric", "last", "component_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_metric_summary_metric_max_component_id"),
        "metric_summary",
        ["metric", "max", "component_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_metric_summary_metric_min_component_id"),
        "metric_summary",
        ["metric", "min", "component_id"],
        unique=False,
    )
    op.create_table(
        "parameter",
        sa.Column(
            "component_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("name", sa.String(length=320), nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("text_key", sa.String(length=120), nullable=True),
        sa.ForeignKeyConstraint(
            ["component_id"],
            ["component.id"],
            name=op.f("fk_parameter_component_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("component_id", "name", name=op.f("pk_parameter")),
    )
    op.create_index(
        op.f("ix_parameter_name_number_component_id"),
        "parameter",
        ["name", "number", "component_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_parameter_name_text_key_component_id"),
        "parameter",
        ["name", "text_key", "component_id"],
        unique=False,
    )
    op.create_table(
        "trial",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("name_key", sa.String(length=120), nullable=False),
        sa.Column(
            "experiment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("display_name", sa.String(length=120), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("modified_us", sa.BigInteger(), nullable=False),
        sa.Column("modified_by", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiment.id"], name=op.f("fk_trial_experiment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trial")),
        sa.UniqueConstraint("account", "name_key", name=op.f("uq_trial_account_name_key")),
    )
    op.create_index(
        op.f("ix_trial_account_created_us_id"),
        "trial",
        ["account", "created_us", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_trial_account_modified_us_id"),
        "trial",
        ["account", "modified_us", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_trial_experiment_id_created_us_id"),
        "trial",
        ["experiment_id", "created_us", "id"],
        unique=False,
    )
    op.create_table(
        "membership",
        sa.Column("trial_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "component_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["component_id"], ["component.id"], name=op.f("fk_membership_component_id")
        ),
        sa.ForeignKeyConstraint(["trial_id"], ["trial.id"], name=op.f("fk_membership_trial_id")),
        sa.PrimaryKeyConstraint("trial_id", "component_id", name=op.f("pk_membership")),
    )
    op.create_index(
        op.f("ix_membership_component_id_trial_id"),
        "membership",
        ["component_id", "trial_id"],
        unique=False,
    )
