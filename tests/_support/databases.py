"""Databases for tests: a file, or one of a real PostgreSQL that the session runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from pgserver import Server, serve
from tierwise_ledger.store import Store

TEMPLATE = "template_of_the_ledger"
NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL of this session, on a socket of its own."""
    with serve() as server:
        execute(server, f"CREATE DATABASE {TEMPLATE}")
        Store.open(server.url(TEMPLATE)).close()
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database of the test's own; the test runs once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ledger.db"
        return
    server: Server = request.getfixturevalue("postgres")
    name = f"test_{next(NUMBERS)}_{time.time_ns()}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield server.url(name)
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A ledger's store, on each kind of database."""
    made = Store.open(database_url)
    yield made
    made.close()


def execute(server: Server, statement: str) -> None:
    """Run one statement outside of any database of a test."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]
