"""Audit and learning: chains of hashes, windows of utility, claims, drift, calibration."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tierwise_ledger.migrations.columns import floats, texts

__all__ = ["downgrade", "upgrade"]

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SUMS = (
    "asked",
    "judged",
    "feedback",
    "verifier",
    "gate",
    "failure",
    "escalated",
    "compared",
    "contradicted",
    "accepted",
    "contradicted_judged",
    "accepted_contradicted",
    "confidence_e4",
    "confidence_squared_e8",
    "accepted_confidence_e4",
    "contradicted_confidence_e4",
)
"""The sums of a window, as version 0002 has them."""


def upgrade() -> None:
    """Make the tables."""
    _audit_checkpoints()
    _audit_keys()
    _audit_records()
    _audit_streams()
    _calibrations()
    _claims()
    _interactions()
    _rolled_back()
    _signal_counts()
    _utility_hours()
    _utility_latency()
    _utility_windows()


def downgrade() -> None:
    """Drop them, with all that they hold."""
    for name in (
        "audit_checkpoints",
        "audit_keys",
        "audit_records",
        "audit_streams",
        "calibrations",
        "claims",
        "interactions",
        "rolled_back",
        "signal_counts",
        "utility_hours",
        "utility_latency",
        "utility_windows",
    ):
        op.drop_table(name)


def _audit_checkpoints() -> None:
    op.create_table(
        "audit_checkpoints",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        *texts("head", "root", "key_id", "signature"),
        sa.PrimaryKeyConstraint("stream", "count", name="pk_audit_checkpoints"),
    )


def _audit_keys() -> None:
    op.create_table(
        "audit_keys",
        *texts("key_id", "public_key"),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_audit_keys"),
    )


def _audit_records() -> None:
    op.create_table(
        "audit_records",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        *texts("subject", "previous", "body", "hash"),
        sa.PrimaryKeyConstraint("stream", "seq", name="pk_audit_records"),
    )
    op.create_index("ix_audit_records_subject", "audit_records", ["subject"])


def _audit_streams() -> None:
    op.create_table(
        "audit_streams",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("covered", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", name="pk_audit_streams"),
    )


def _calibrations() -> None:
    op.create_table(
        "calibrations",
        *texts("specialist", "field"),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("specialist", "field", name="pk_calibrations"),
    )


def _claims() -> None:
    op.create_table(
        "claims",
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        *texts("tenant", "query_id", "context_id", "answer_id", "specialist", "revision", "field"),
        *floats("confidence", "at"),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("verdict", sa.Boolean()),
        sa.Column("by_people", sa.Boolean(), nullable=False),
        sa.Column("corrected_id", sa.Text(), nullable=False),
        sa.Column("said_at", sa.Float(), nullable=False),
        sa.Column("compared", sa.Boolean(), nullable=False),
        sa.Column("contradicts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("decision", "position", name="pk_claims"),
    )
    op.create_index("ix_claims_at", "claims", ["at"])
    op.create_index(
        "ix_claims_tenant_query_id_context_id_at",
        "claims",
        ["tenant", "query_id", "context_id", "at"],
    )


def _interactions() -> None:
    op.create_table(
        "interactions",
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        *texts("specialist", "revision", "field"),
        sa.Column("accepted", sa.Boolean()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("confidence_e4", sa.Integer(), nullable=False),
        sa.Column("floor", sa.Float(), nullable=False),
        sa.Column("came", sa.Boolean(), nullable=False),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("escalated", sa.Boolean(), nullable=False),
        sa.Column("compared", sa.Boolean(), nullable=False),
        sa.Column("contradicted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("decision", "position", name="pk_interactions"),
    )
    op.create_index("ix_interactions_at", "interactions", ["at"])
    op.create_index(
        "ix_interactions_specialist_field_at", "interactions", ["specialist", "field", "at"]
    )


def _rolled_back() -> None:
    op.create_table(
        "rolled_back",
        *texts("specialist", "revision"),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("specialist", "revision", name="pk_rolled_back"),
    )


def _signal_counts() -> None:
    op.create_table(
        "signal_counts",
        *texts("side", "name", "signal"),
        sa.Column("begin", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bin", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("side", "name", "signal", "begin", "bin", name="pk_signal_counts"),
    )
    op.create_index("ix_signal_counts_begin", "signal_counts", ["begin"])


def _utility_hours() -> None:
    op.create_table(
        "utility_hours",
        *texts("specialist", "revision", "field"),
        sa.Column("begin", sa.BigInteger(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.Column("cost_nano_usd", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "specialist", "revision", "field", "begin", name="pk_utility_hours"
        ),
    )
    op.create_index("ix_utility_hours_begin", "utility_hours", ["begin"])


def _utility_latency() -> None:
    op.create_table(
        "utility_latency",
        *texts("specialist", "revision", "field"),
        sa.Column("begin", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("bin", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "specialist", "revision", "field", "begin", "measure", "bin", name="pk_utility_latency"
        ),
    )


def _utility_windows() -> None:
    op.create_table(
        "utility_windows",
        *texts("specialist", "revision", "field"),
        sa.Column("begin", sa.BigInteger(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.Column("cost_nano_usd", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "specialist", "revision", "field", "begin", name="pk_utility_windows"
        ),
    )
    op.create_index("ix_utility_windows_begin", "utility_windows", ["begin"])
