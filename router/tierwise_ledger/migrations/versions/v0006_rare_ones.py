"""Indices for what is rare: a user's, a model's, a question's, at odds; costs by the hour."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the indices; two of claims take the place of those before."""
    op.create_table(
        "cost_hours",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "by", "policy", name="pk_cost_hours"),
    )
    _partial("ix_outcomes_of_somebody", "outcomes", ["user_digest", "at"], "user_digest <> ''")
    _partial("ix_outcomes_by_name", "outcomes", ["model", "at"], "model <> 'auto'")
    op.drop_index("ix_claims_tenant_query_id_context_id_at", "claims")
    op.create_index(
        "ix_claims_query_id_tenant_context_id_at",
        "claims",
        ["query_id", "tenant", "context_id", "at"],
    )
    op.drop_index("ix_claims_at_odds", "claims")
    whose = ["at", "tenant", "query_id", "context_id", "specialist", "field"]
    _partial("ix_claims_at_odds", "claims", whose, "contradicts <> ''")


def downgrade() -> None:
    """Make the indices of before again."""
    op.drop_index("ix_claims_at_odds", "claims")
    _partial("ix_claims_at_odds", "claims", ["at"], "contradicts <> ''")
    op.drop_index("ix_claims_query_id_tenant_context_id_at", "claims")
    op.create_index(
        "ix_claims_tenant_query_id_context_id_at",
        "claims",
        ["tenant", "query_id", "context_id", "at"],
    )
    op.drop_index("ix_outcomes_by_name", "outcomes")
    op.drop_index("ix_outcomes_of_somebody", "outcomes")
    op.drop_table("cost_hours")


def _partial(name: str, table: str, columns: list[str], rows: str) -> None:
    which: dict[str, Any] = {"sqlite_where": sa.text(rows), "postgresql_where": sa.text(rows)}
    op.create_index(name, table, columns, **which)
