"""The database's versions, by Alembic: linear, each with its own file."""
