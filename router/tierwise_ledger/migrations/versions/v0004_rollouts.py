"""Rollouts: what the revisions that went back got wrong, and an index of what people judged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tierwise_ledger.migrations.columns import texts

__all__ = ["downgrade", "upgrade"]

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

HEARD = sa.text("source = 'feedback'")


def upgrade() -> None:
    """Make the table and the index."""
    op.create_index(
        "ix_interactions_heard", "interactions", ["specialist", "at"],
        sqlite_where=HEARD, postgresql_where=HEARD,
    )  # fmt: skip
    op.create_table(
        "rollout_failures",
        *texts("rollout", "decision"),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        *texts("specialist", "revision", "field", "how"),
        sa.PrimaryKeyConstraint("rollout", "decision", "position", name="pk_rollout_failures"),
    )
    op.create_index("ix_rollout_failures_decision", "rollout_failures", ["decision"])
    op.create_index("ix_rollout_failures_at", "rollout_failures", ["at"])


def downgrade() -> None:
    """Drop them, with all that the table holds."""
    op.drop_index("ix_interactions_heard", "interactions")
    op.drop_table("rollout_failures")
