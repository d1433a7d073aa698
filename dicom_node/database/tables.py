"""The tables; only this package imports them."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=NAMING)


class UTCDateTime(sa.TypeDecorator[datetime]):
    """A point in time; aware UTC in Python on every database."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse naive times; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone must not reach the database")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _uid(name: str, *args: Any, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), *args, nullable=False, **options)


def _text(name: str, length: int = 64) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False, server_default="")


def _state(table: str, *states: str) -> tuple[sa.Column[str], sa.CheckConstraint]:
    values = ", ".join(f"'{state}'" for state in states)
    return (
        sa.Column("state", sa.String(16), nullable=False),
        sa.CheckConstraint(f"state IN ({values})", name="known_state"),
    )


studies = sa.Table(
    "studies",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    _uid("study_instance_uid", unique=True),
    *_state("studies", "RECEIVING", "COMPLETE", "DONE", "AMENDED"),
    _text("modality", 16),
    _text("patient_id"),
    _text("issuer_of_patient_id"),
    _text("patient_name", 400),
    _text("patient_birth_date", 8),
    _text("patient_sex", 16),
    _text("accession_number"),
    _text("study_date", 8),
    _text("study_time", 16),
    _text("study_description"),
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="5"),
    sa.Column("instance_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("late_instance_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("received_at", UTCDateTime, nullable=False),
    sa.Column("last_instance_at", UTCDateTime, nullable=False),
    sa.Column("last_released_at", UTCDateTime),
    sa.Column("complete_after", UTCDateTime, nullable=False),
    sa.Column("completed_at", UTCDateTime),
    sa.Column("completion_reason", sa.String(32)),
    sa.Index("ix_studies_patient_id_received_at", "patient_id", "received_at"),
    sa.Index("ix_studies_worklist", "priority", "received_at", "id"),
    sa.Index(
        "ix_studies_receiving",
        "complete_after",
        sqlite_where=sa.text("state = 'RECEIVING'"),
        postgresql_where=sa.text("state = 'RECEIVING'"),
    ),
)

series = sa.Table(
    "series",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("study_id", sa.ForeignKey("studies.id"), nullable=False, index=True),
    _uid("series_instance_uid"),
    _text("modality", 16),
    _text("series_number", 16),
    _text("series_description"),
    _text("body_part_examined", 16),
    sa.Column("header", sa.JSON),
    sa.UniqueConstraint("study_id", "series_instance_uid"),
)

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("series_id", sa.ForeignKey("series.id"), nullable=False, index=True),
    _uid("sop_instance_uid", unique=True),
    _uid("sop_class_uid"),
    _uid("transfer_syntax_uid"),
    sa.Column("path", sa.String(255), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("calling_ae_title", sa.String(16), nullable=False),
    sa.Column("received_at", UTCDateTime, nullable=False),
    sa.Column("late", sa.Boolean, nullable=False),
)

study_associations = sa.Table(
    "study_associations",
    metadata,
    sa.Column("study_id", sa.ForeignKey("studies.id"), primary_key=True),
    sa.Column("association_id", sa.String(36), primary_key=True),
    sa.Column("calling_ae_title", sa.String(16), nullable=False),
    sa.Column("last_instance_at", UTCDateTime, nullable=False),
    sa.Column("released_at", UTCDateTime),
    sa.Index("ix_study_associations_association_id", "association_id"),
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("weights_sha256", sa.String(64), nullable=False),
    sa.Column("modalities", sa.String(64), nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("registered_at", UTCDateTime, nullable=False),
    sa.UniqueConstraint("name", "version"),
)

worker_models = sa.Table(
    "worker_models",
    metadata,
    sa.Column("worker", sa.String(64), primary_key=True),
    sa.Column("model_id", sa.ForeignKey("models.id"), primary_key=True),
    sa.Column("chosen", sa.Boolean, nullable=False),
    sa.Column("seen_at", UTCDateTime, nullable=False),
)

analyses = sa.Table(
    "analyses",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("study_id", sa.ForeignKey("studies.id"), nullable=False),
    sa.Column("model_id", sa.ForeignKey("models.id"), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("mode", sa.String(8), nullable=False, server_default="active"),
    *_state("analyses", "REQUESTED", "RUNNING", "COMPLETED", "NOT_APPLICABLE", "FAILED"),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("input_digest", sa.String(64), nullable=False, server_default=""),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("started_at", UTCDateTime),
    sa.Column("completed_at", UTCDateTime),
    sa.UniqueConstraint("study_id", "model_id", "revision"),
)

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("analysis_id", sa.ForeignKey("analyses.id"), primary_key=True),
    sa.Column("condition", sa.String(32), primary_key=True),
    sa.Column("probability", sa.Float, nullable=False),
    sa.Column("operating_point", sa.Float, nullable=False),
    sa.Column("presence", sa.String(16), nullable=False),
)

outputs = sa.Table(
    "outputs",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("analysis_id", sa.ForeignKey("analyses.id"), nullable=False),
    sa.Column("role", sa.String(8), nullable=False),
    _uid("sop_instance_uid", unique=True),
    _uid("sop_class_uid"),
    _uid("series_instance_uid"),
    sa.Column("path", sa.String(255), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("analysis_id", "role"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("study_id", sa.ForeignKey("studies.id"), nullable=False, index=True),
    sa.Column("analysis_id", sa.ForeignKey("analyses.id")),
    sa.Column("content", sa.String(16), nullable=False, server_default="RESULTS"),
    sa.Column("destination", sa.String(300), nullable=False),
    *_state("deliveries", "PENDING", "DELIVERED", "VERIFIED", "REFUSED", "EXHAUSTED"),
    sa.Column("proof", sa.String(16), nullable=False, server_default="none"),
    sa.Column("deidentify", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("resends", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_answer", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("pending_since", UTCDateTime, nullable=False),
    sa.Column("delivered_at", UTCDateTime),
    sa.Column("verified_at", UTCDateTime),
    sa.UniqueConstraint("analysis_id", "destination"),
)

delivery_instances = sa.Table(
    "delivery_instances",
    metadata,
    sa.Column("delivery_id", sa.ForeignKey("deliveries.id"), primary_key=True),
    sa.Column("sop_instance_uid", sa.String(64), primary_key=True),
    _uid("sop_class_uid"),
    sa.Column("path", sa.String(255), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    *_state("delivery_instances", "PENDING", "ACCEPTED", "VERIFIED", "REFUSED"),
    _text("form", 128),
    sa.Column("status", sa.Integer),
    sa.Column("answer", sa.Text, nullable=False, server_default=""),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("accepted_at", UTCDateTime),
    sa.Column("verified_at", UTCDateTime),
)

commitments = sa.Table(
    "commitments",
    metadata,
    sa.Column("transaction_uid", sa.String(64), primary_key=True),
    sa.Column("delivery_id", sa.ForeignKey("deliveries.id"), nullable=False, index=True),
    sa.Column("requested_at", UTCDateTime, nullable=False),
    sa.Column("answered_at", UTCDateTime),
    sa.Column("answer", sa.JSON),
)

destination_health = sa.Table(
    "destination_health",
    metadata,
    sa.Column("destination", sa.String(300), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("open_until", UTCDateTime),
    sa.Column("probe_until", UTCDateTime),
    sa.Column("last_answer", sa.Text, nullable=False, server_default=""),
    sa.Column("updated_at", UTCDateTime, nullable=False),
)

rule_sets = sa.Table(
    "rule_sets",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("source", sa.String(300), nullable=False),
    sa.Column("activated_at", UTCDateTime, nullable=False),
    sa.Column("activated_by", sa.String(64), nullable=False),
)

routing_decisions = sa.Table(
    "routing_decisions",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("study_id", sa.ForeignKey("studies.id"), nullable=False, index=True),
    sa.Column("rule_set_sha256", sa.String(64), nullable=False),
    sa.Column("decided_at", UTCDateTime, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("decision", sa.JSON, nullable=False),
    sa.Column("released_at", UTCDateTime),
)

deployments = sa.Table(
    "deployments",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("rule", sa.String(64), nullable=False),
    sa.Column("model_name", sa.String(64), nullable=False),
    sa.Column("model_version", sa.String(32), nullable=False),
    sa.Column("act", sa.Uuid, nullable=False),
    sa.Column("undoes", sa.Uuid),
    sa.Column("mode", sa.String(8)),
    sa.Column("share", sa.Float, nullable=False, server_default="1"),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("changed_at", UTCDateTime, nullable=False),
    sa.Column("changed_by", sa.String(64), nullable=False),
    sa.Index("ix_deployments_model_name_id", "model_name", "id"),
)

_READY = sa.text("state = 'READY'")
_HELD = sa.text("state IN ('QUEUED', 'RUNNING')")

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("queue", sa.String(16), nullable=False),
    sa.Column("subject_id", sa.Uuid, nullable=False),
    sa.Column("study_id", sa.ForeignKey("studies.id"), nullable=False, index=True),
    *_state("jobs", "READY", "QUEUED", "RUNNING", "DONE", "DEAD"),
    _text("lane", 300),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("lost_leases", sa.Integer, nullable=False, server_default="0"),
    sa.Column("owner", sa.String(64), nullable=False, server_default=""),
    sa.Column("token", sa.Uuid),
    sa.Column("lease_until", UTCDateTime),
    sa.Column("queued_at", UTCDateTime),
    sa.Column("not_before", UTCDateTime, nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("done_at", UTCDateTime),
    sa.Column("error", sa.Text, nullable=False, server_default=""),
    sa.UniqueConstraint("queue", "subject_id"),
    sa.Index(
        "ix_jobs_ready",
        "queue",
        "lane",
        "priority",
        "created_at",
        sqlite_where=_READY,
        postgresql_where=_READY,
    ),
    sa.Index("ix_jobs_held", "state", "queue", sqlite_where=_HELD, postgresql_where=_HELD),
)

audit_events = sa.Table(
    "audit_events",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("at", UTCDateTime, nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("actor", sa.String(64), nullable=False),
    sa.Column("outcome", sa.SmallInteger, nullable=False),
    _text("study_instance_uid"),
    _text("patient_id"),
    _text("subject", 300),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index("ix_audit_events_study_instance_uid_id", "study_instance_uid", "id"),
    sa.Index("ix_audit_events_patient_id_at_id", "patient_id", "at", "id"),
    sa.Index("ix_audit_events_action_at", "action", "at"),
    sa.Index("ix_audit_events_at", "at"),
)
