"""Sums for long reports: latency and claims by the hour, costs by the day, rates with history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

AT_ODDS = sa.text("contradicts <> ''")
OF = ("specialist", "revision", "field")
RATES = "specialist, tier, at_ms, prefill_mtps, decode_mtps, gpus, measured"


def upgrade() -> None:
    """Make the tables, and fill them from what there is."""
    _claims()
    _latency()
    _rates(("specialist", "tier", "at_ms"))
    op.create_table(
        "cost_days",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("day", "by", "policy", name="pk_cost_days"),
    )


def downgrade() -> None:
    """Drop them; of several rates the first is kept."""
    op.drop_table("cost_days")
    op.execute(
        "DELETE FROM replica_rates WHERE EXISTS (SELECT 1 FROM replica_rates AS other WHERE "
        "other.specialist = replica_rates.specialist AND other.tier = replica_rates.tier AND "
        "other.at_ms < replica_rates.at_ms)"
    )
    _rates(("specialist", "tier"))
    op.drop_table("utility_latency_hours")
    op.drop_index("ix_utility_latency_begin", "utility_latency")
    op.drop_table("claim_hours")
    op.drop_index("ix_claims_at_odds", "claims")


def _whose() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in OF]


def _begin() -> sa.Column[int]:
    return sa.Column("begin", sa.BigInteger(), autoincrement=False, nullable=False)


def _claims() -> None:
    op.create_index(
        "ix_claims_at_odds", "claims", ["at"], sqlite_where=AT_ODDS, postgresql_where=AT_ODDS
    )
    op.create_table(
        "claim_hours",
        *_whose(),
        _begin(),
        sa.Column("claims", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*OF, "begin", name="pk_claim_hours"),
    )
    op.create_index("ix_claim_hours_begin", "claim_hours", ["begin"])
    # A cast cuts off in SQLite, which need not know FLOOR, and rounds in PostgreSQL.
    hour = "FLOOR(at / 3600)" if op.get_bind().dialect.name == "postgresql" else "at / 3600"
    op.execute(
        f"INSERT INTO claim_hours SELECT specialist, revision, field, CAST({hour} AS BIGINT) * 3600, "  # noqa: S608, E501
        "count(*) FROM claims GROUP BY 1, 2, 3, 4"
    )


def _latency() -> None:
    op.create_index("ix_utility_latency_begin", "utility_latency", ["begin"])
    op.create_table(
        "utility_latency_hours",
        *_whose(),
        _begin(),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("bin", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*OF, "begin", "measure", "bin", name="pk_utility_latency_hours"),
    )
    op.create_index("ix_utility_latency_hours_begin", "utility_latency_hours", ["begin"])
    op.execute(
        "INSERT INTO utility_latency_hours SELECT specialist, revision, field, "
        "begin - begin % 3600, measure, bin, sum(count) FROM utility_latency "
        "GROUP BY 1, 2, 3, 4, 5, 6"
    )


def _rates(key: tuple[str, ...]) -> None:
    """Make the table anew with another key; SQLite cannot change one in its place."""
    op.rename_table("replica_rates", "replica_rates_before")
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("pk_replica_rates", "replica_rates_before")
    op.create_table(
        "replica_rates",
        sa.Column("specialist", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("prefill_mtps", sa.BigInteger(), nullable=False),
        sa.Column("decode_mtps", sa.BigInteger(), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("measured", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_replica_rates"),
    )
    op.execute(f"INSERT INTO replica_rates SELECT {RATES} FROM replica_rates_before")  # noqa: S608
    op.drop_table("replica_rates_before")
