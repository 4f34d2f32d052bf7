"""What Alembic runs: the versions, on the connection that it was given."""

from __future__ import annotations

from alembic import context

from tierwise_ledger.tables import METADATA

# Whoever imports it to read it is not Alembic, and has no connection.
if (config := getattr(context, "config", None)) is not None:
    context.configure(connection=config.attributes["connection"], target_metadata=METADATA)
    with context.begin_transaction():
        context.run_migrations()
