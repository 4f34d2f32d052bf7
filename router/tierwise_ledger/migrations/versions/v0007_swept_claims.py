"""PostgreSQL sweeps claims earlier: what is at odds is then read from its index alone.

An index does not tell which rows can be seen. Pages that were swept since their last change need
no look; by default a fifth of a table may change before that, of three months eighteen days.
"""

from __future__ import annotations

from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SETTINGS = {
    "autovacuum_vacuum_scale_factor": 0.01,
    "autovacuum_vacuum_insert_scale_factor": 0.01,
}


def upgrade() -> None:
    """Have claims swept after each hundredth; SQLite has nothing to sweep."""
    _alter("SET", ", ".join(f"{name} = {value}" for name, value in SETTINGS.items()))


def downgrade() -> None:
    """Leave it to the server's settings again."""
    _alter("RESET", ", ".join(SETTINGS))


def _alter(verb: str, settings: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE claims {verb} ({settings})")
