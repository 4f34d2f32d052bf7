"""Bringing a database to this version's tables: one at a time, whoever else starts."""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, insert, select, text

from tierwise_ledger.tables.contents import LEDGER

__all__ = ["ledger_id", "migrate"]

LOCK = 0x7469657277697365
HEAD = "head"


def migrate(engine: Engine, version: str = HEAD) -> None:
    """Bring the tables up to a version, and give the ledger its name.

    Of several processes that start together one does it and the others wait.
    """
    with _locked(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        config = Config()
        config.set_main_option("script_location", "tierwise_ledger:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        if ledger_id(connection) == "":
            connection.execute(insert(LEDGER).values(name="id", value=uuid.uuid4().hex))


def ledger_id(connection: Connection) -> str:
    """Give this ledger's name: another one means another database, or one that began anew."""
    query = select(LEDGER.c.value).where(LEDGER.c.name == "id")
    return connection.execute(query).scalar_one_or_none() or ""


@contextmanager
def _locked(engine: Engine) -> Iterator[None]:
    """Hold a file's lock beside a database that is a file."""
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name == ":memory:":
        yield
        return
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
