"""Routes and decisions, the outbox an object and Destination a row, proof of arrival, deployments of models.

Revision ID: c6f6e969cb25
Revises: 8d4d6a8f6506
Create Date: 2026-11-25 13:15:29.289488
"""

import sqlalchemy as sa
from alembic import op

revision = "c6f6e969cb25"
down_revision = "8d4d6a8f6506"
branch_labels = None
depends_on = None

_FILL = (
    "UPDATE deliveries SET study_id ="
    " (SELECT study_id FROM analyses WHERE analyses.id = deliveries.analysis_id)",
    "UPDATE deliveries SET pending_since = created_at",
    "UPDATE jobs SET lane = (SELECT destination FROM deliveries WHERE deliveries.id = jobs.subject_id)"
    " WHERE queue = 'delivery'",
    "INSERT INTO delivery_instances"
    " (delivery_id, sop_instance_uid, sop_class_uid, path, sha256, state, accepted_at)"
    " SELECT deliveries.id, sop_instance_uid, sop_class_uid, path, sha256,"
    " CASE WHEN deliveries.state = 'DELIVERED' THEN 'ACCEPTED' ELSE 'PENDING' END, delivered_at"
    " FROM deliveries JOIN outputs ON outputs.analysis_id = deliveries.analysis_id",
)
_EMPTY = (
    "DELETE FROM jobs WHERE queue = 'delivery'"
    " AND subject_id IN (SELECT id FROM deliveries WHERE content = 'ORIGINALS')",
    "DELETE FROM deliveries WHERE content = 'ORIGINALS'",
)
"""What the first schema has no place for."""


def upgrade() -> None:  # noqa: PLR0915 - one statement a table and index
    op.create_table(
        "deployments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("act", sa.Uuid(), nullable=False),
        sa.Column("undoes", sa.Uuid(), nullable=True),
        sa.Column("mode", sa.String(length=8), nullable=True),
        sa.Column("share", sa.Float(), server_default="1", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployments")),
    )
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.create_index("ix_deployments_model_name_id", ["model_name", "id"], unique=False)

    op.create_table(
        "worker_models",
        sa.Column("worker", sa.String(length=64), nullable=False),
        sa.Column("model_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_worker_models_model_id_models")),
        sa.PrimaryKeyConstraint("worker", "model_id", name=op.f("pk_worker_models")),
    )
    op.create_table(
        "destination_health",
        sa.Column("destination", sa.String(length=300), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("probe_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_answer", sa.Text(), server_default="", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_destination_health")),
    )
    op.create_table(
        "rule_sets",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_sets")),
    )
    op.create_table(
        "routing_decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("study_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rule_set_sha256", sa.String(length=64), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name=op.f("fk_routing_decisions_study_id_studies")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_decisions")),
    )
    with op.batch_alter_table("routing_decisions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_routing_decisions_study_id"), ["study_id"], unique=False)

    op.create_table(
        "commitments",
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_commitments_delivery_id_deliveries")
        ),
        sa.PrimaryKeyConstraint("transaction_uid", name=op.f("pk_commitments")),
    )
    with op.batch_alter_table("commitments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_commitments_delivery_id"), ["delivery_id"], unique=False)

    op.create_table(
        "delivery_instances",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("form", sa.String(length=128), server_default="", nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('PENDING', 'ACCEPTED', 'VERIFIED', 'REFUSED')",
            name=op.f("ck_delivery_instances_known_state"),
        ),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_delivery_instances_delivery_id_deliveries")
        ),
        sa.PrimaryKeyConstraint("delivery_id", "sop_instance_uid", name=op.f("pk_delivery_instances")),
    )
    with op.batch_alter_table("analyses", schema=None) as batch_op:
        batch_op.add_column(sa.Column("mode", sa.String(length=8), server_default="active", nullable=False))
        batch_op.add_column(sa.Column("started_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("lane", sa.String(length=300), server_default="", nullable=False))
    _index_ready_jobs("queue", "lane", "priority", "created_at")

    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("study_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))
        batch_op.add_column(
            sa.Column("content", sa.String(length=16), server_default="RESULTS", nullable=False)
        )
        batch_op.add_column(sa.Column("proof", sa.String(length=16), server_default="none", nullable=False))
        batch_op.add_column(sa.Column("deidentify", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("resends", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("pending_since", sa.DateTime(timezone=True)))
        batch_op.add_column(sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.alter_column("analysis_id", existing_type=sa.Uuid(), nullable=True)

    for statement in _FILL:
        op.execute(statement)
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.alter_column(
            "study_id", existing_type=sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        )
        batch_op.alter_column("pending_since", existing_type=sa.DateTime(timezone=True), nullable=False)
        batch_op.create_index(batch_op.f("ix_deliveries_study_id"), ["study_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_deliveries_study_id_studies"), "studies", ["study_id"], ["id"]
        )

    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.add_column(sa.Column("header", sa.JSON(), nullable=True))


def downgrade() -> None:  # noqa: PLR0915 - one statement a table and index
    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.drop_column("header")

    _index_ready_jobs("queue", "priority", "created_at")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_column("lane")

    with op.batch_alter_table("commitments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_commitments_delivery_id"))

    op.drop_table("commitments")
    op.drop_table("delivery_instances")
    for statement in _EMPTY:
        op.execute(statement)
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_deliveries_study_id_studies"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_deliveries_study_id"))
        batch_op.alter_column("analysis_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.drop_column("verified_at")
        batch_op.drop_column("pending_since")
        batch_op.drop_column("resends")
        batch_op.drop_column("deidentify")
        batch_op.drop_column("proof")
        batch_op.drop_column("content")
        batch_op.drop_column("study_id")

    with op.batch_alter_table("analyses", schema=None) as batch_op:
        batch_op.drop_column("started_at")
        batch_op.drop_column("mode")

    with op.batch_alter_table("routing_decisions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_routing_decisions_study_id"))

    op.drop_table("routing_decisions")
    op.drop_table("rule_sets")
    op.drop_table("destination_health")
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.drop_index("ix_deployments_model_name_id")

    op.drop_table("deployments")
    op.drop_table("worker_models")


def _index_ready_jobs(*columns: str) -> None:
    """Make the index anew: the most urgent job is looked for lane by lane."""
    ready = sa.text("state = 'READY'")
    op.drop_index("ix_jobs_ready", "jobs", sqlite_where=ready, postgresql_where=ready)
    op.create_index("ix_jobs_ready", "jobs", list(columns), sqlite_where=ready, postgresql_where=ready)
