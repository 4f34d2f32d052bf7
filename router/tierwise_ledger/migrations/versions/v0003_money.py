"""Money: capacity, prices, rates, charges, budgets and their leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tierwise_ledger.migrations.columns import numbers, texts
from tierwise_ledger.tables.base import Sequence64

__all__ = ["downgrade", "upgrade"]

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _budgets()
    _budget_alerts()
    _budget_leases()
    _capacity_gaps()
    _capacity_spans()
    _fleet_looks()
    _prices()
    _replica_rates()
    _tenant_charges()


def downgrade() -> None:
    """Drop them, with all that they hold."""
    for name in (
        "budgets",
        "budget_alerts",
        "budget_leases",
        "capacity_gaps",
        "capacity_spans",
        "fleet_looks",
        "prices",
        "replica_rates",
        "tenant_charges",
    ):
        op.drop_table(name)


def _budgets() -> None:
    op.create_table(
        "budgets",
        *texts("day", "account", "tenant", "scope"),
        *numbers("limit_nano_usd", "granted_nano_usd", "spent_nano_usd"),
        sa.PrimaryKeyConstraint("day", "account", name="pk_budgets"),
    )
    op.create_index("ix_budgets_tenant_day", "budgets", ["tenant", "day"])


def _budget_alerts() -> None:
    op.create_table(
        "budget_alerts",
        *texts("day", "account"),
        sa.Column("percent", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        *numbers("spent_nano_usd", "limit_nano_usd"),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("day", "account", "percent", name="pk_budget_alerts"),
    )
    op.create_index("ix_budget_alerts_told", "budget_alerts", ["told"])


def _budget_leases() -> None:
    op.create_table(
        "budget_leases",
        *texts("day", "account", "holder"),
        *numbers("number", "granted_nano_usd", "spent_nano_usd"),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("day", "account", "holder", name="pk_budget_leases"),
    )


def _capacity_gaps() -> None:
    op.create_table(
        "capacity_gaps",
        sa.Column("start_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("start_ms", name="pk_capacity_gaps"),
    )


def _capacity_spans() -> None:
    op.create_table(
        "capacity_spans",
        sa.Column("seq", Sequence64, autoincrement=True, nullable=False),
        *texts("tier", "holder", "market"),
        *numbers("gpus", "start_ms", "end_ms"),
        sa.Column("measured", sa.Boolean(), nullable=False),
        sa.Column("joules", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_capacity_spans"),
    )
    op.create_index("ix_capacity_spans_end_ms", "capacity_spans", ["end_ms"])
    op.create_index("ix_capacity_spans_start_ms", "capacity_spans", ["start_ms"])


def _fleet_looks() -> None:
    op.create_table(
        "fleet_looks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.JSON(), nullable=False),
        sa.Column("seats", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_fleet_looks"),
    )


def _prices() -> None:
    op.create_table(
        "prices",
        *texts("tier", "market"),
        sa.Column("at_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gpu_hour_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("kwh_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("ops_hour_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("tdp_watts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tier", "market", "at_ms", name="pk_prices"),
    )


def _replica_rates() -> None:
    op.create_table(
        "replica_rates",
        *texts("specialist", "tier"),
        *numbers("at_ms", "prefill_mtps", "decode_mtps"),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("measured", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("specialist", "tier", name="pk_replica_rates"),
    )


def _tenant_charges() -> None:
    op.create_table(
        "tenant_charges",
        sa.Column("tenant", sa.Text(), nullable=False),
        *numbers("answer_nano_usd", "input_million_nano_usd", "output_million_nano_usd"),
        sa.PrimaryKeyConstraint("tenant", name="pk_tenant_charges"),
    )
