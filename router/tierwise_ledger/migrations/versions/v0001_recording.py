"""Recording: outcomes, calls, words, contents, and their sums by the hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tierwise_ledger.migrations.columns import floats, numbers, texts
from tierwise_ledger.tables.base import Sequence64

__all__ = ["downgrade", "upgrade"]

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _call_hours()
    _calls()
    _contents()
    _erasures()
    _feedback()
    _ledger()
    _sums("outcome_hours", "hour")
    _sums("outcome_days", "day")
    _outcomes()
    _records()
    _seen()


def downgrade() -> None:
    """Drop them, with all that they hold."""
    for name in (
        "call_hours",
        "calls",
        "contents",
        "erasures",
        "feedback",
        "ledger",
        "outcome_hours",
        "outcome_days",
        "outcomes",
        "records",
        "seen",
    ):
        op.drop_table(name)


def _call_hours() -> None:
    op.create_table(
        "call_hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        *texts(
            "specialist", "revision", "adapter", "tier", "tenant", "field", "workload", "verdict"
        ),
        *numbers(
            "calls",
            "counted",
            "input_tokens",
            "cached_tokens",
            "output_tokens",
            "cost_nano_usd",
            "milliseconds",
        ),
        sa.PrimaryKeyConstraint(
            "hour",
            "specialist",
            "revision",
            "adapter",
            "tier",
            "tenant",
            "field",
            "workload",
            "verdict",
            name="pk_call_hours",
        ),
    )


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        *texts("specialist", "revision", "adapter", "tier", "pod"),
        sa.Column("own_field", sa.Text(), nullable=True),
        sa.Column("predicted", sa.Float(), nullable=True),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("floor", sa.Float(), nullable=False),
        *texts("verdict", "failure"),
        sa.Column("verified", sa.Boolean(), nullable=True),
        sa.Column("checks", sa.JSON(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cost_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("queue_s", sa.Float(), nullable=True),
        sa.Column("ttft_s", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("outcome", "position", name="pk_calls"),
    )
    op.create_index("ix_calls_at", "calls", ["at"], unique=False)
    op.create_index("ix_calls_specialist_at", "calls", ["specialist", "at"], unique=False)


def _contents() -> None:
    op.create_table(
        "contents",
        *texts("id", "tenant"),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_contents"),
    )
    op.create_index("ix_contents_expires_at", "contents", ["expires_at"], unique=False)
    op.create_index("ix_contents_key_id", "contents", ["key_id"], unique=False)
    op.create_index("ix_contents_tenant", "contents", ["tenant"], unique=False)


def _erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("tenant", sa.Text(), nullable=False),
        *floats("before", "at"),
        *numbers("contents", "outcomes"),
        sa.PrimaryKeyConstraint("tenant", name="pk_erasures"),
    )


def _feedback() -> None:
    op.create_table(
        "feedback",
        *texts("id", "decision"),
        *floats("at", "received_at"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("corrected", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_at", "feedback", ["at"], unique=False)
    op.create_index("ix_feedback_decision", "feedback", ["decision"], unique=False)


def _ledger() -> None:
    op.create_table(
        "ledger",
        *texts("name", "value"),
        sa.PrimaryKeyConstraint("name", name="pk_ledger"),
    )


def _sums(name: str, period: str) -> None:
    op.create_table(
        name,
        sa.Column(period, sa.BigInteger(), autoincrement=False, nullable=False),
        *texts(
            "tenant",
            "field",
            "specialist",
            "revision",
            "tier",
            "latency_class",
            "workload",
            "state",
        ),
        *numbers(
            "requests",
            "calls",
            "input_tokens",
            "cached_tokens",
            "output_tokens",
            "cost_nano_usd",
            "milliseconds",
            "feedback_yes",
            "feedback_no",
            "corrected",
        ),
        sa.PrimaryKeyConstraint(
            period,
            "tenant",
            "field",
            "specialist",
            "revision",
            "tier",
            "latency_class",
            "workload",
            "state",
            name=f"pk_{name}",
        ),
    )


def _outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("seq", Sequence64, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        *floats("at", "received_at", "skew_s"),
        *texts(
            "tenant",
            "user_digest",
            "session",
            "field",
            "query_id",
            "endpoint",
            "model",
            "latency_class",
            "workload",
            "pattern",
        ),
        sa.Column("stream", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        *texts("reason", "specialist", "revision", "adapter", "tier"),
        sa.Column("predicted", sa.Float(), nullable=True),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("verified", sa.Boolean(), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False),
        *numbers("input_tokens", "cached_tokens", "output_tokens", "cost_nano_usd"),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("queue_s", sa.Float(), nullable=True),
        sa.Column("ttft_s", sa.Float(), nullable=True),
        sa.Column("feedback", sa.Boolean(), nullable=True),
        sa.Column("feedback_at", sa.Float(), nullable=True),
        sa.Column("corrected", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_outcomes"),
        sa.UniqueConstraint("id", name="uq_outcomes_id"),
    )
    op.create_index("ix_outcomes_at", "outcomes", ["at"], unique=False)
    op.create_index("ix_outcomes_field_at", "outcomes", ["field", "at"], unique=False)
    op.create_index("ix_outcomes_query_id", "outcomes", ["query_id"], unique=False)
    op.create_index("ix_outcomes_session", "outcomes", ["session"], unique=False)
    op.create_index("ix_outcomes_specialist_at", "outcomes", ["specialist", "at"], unique=False)
    op.create_index("ix_outcomes_state_at", "outcomes", ["state", "at"], unique=False)
    op.create_index("ix_outcomes_tenant_at", "outcomes", ["tenant", "at"], unique=False)


def _records() -> None:
    op.create_table(
        "records",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_records"),
    )
    op.create_index("ix_records_at", "records", ["at"], unique=False)


def _seen() -> None:
    op.create_table(
        "seen",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_seen"),
    )
    op.create_index("ix_seen_at", "seen", ["at"], unique=False)
