"""Filling a ledger with millions of outcomes and all that they become, in the database itself.

Each step is one transaction that also notes itself in ``bench_filled``: a run that was ended goes
on where it was, and a database that is full is not filled again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bulk_audit import audited
from bulk_rows import NOW, SPAN_S, look, records, records_apart, statements
from bulk_sums import derived
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Connection, Index, Table, event, text

from tierwise_ledger.money.days import DAYS, HOURS, Kept, keep_one
from tierwise_ledger.store import Store
from tierwise_ledger.tables.audit import AUDIT_RECORDS
from tierwise_ledger.tables.base import DAY_S

__all__ = ["fill"]

PIECE = 500_000
PRAGMAS = ("synchronous=OFF", "secure_delete=OFF", "cache_size=-1048576", "threads=2")
SERIES = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT :a UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :b)",
    "postgresql": "WITH s(n) AS (SELECT generate_series(CAST(:a AS BIGINT), :b - 1))",
}
WORDS = {
    "sqlite": {"no": "0", "yes": "1", "number": "printf('%08d', n)"},
    "postgresql": {"no": "false", "yes": "true", "number": "lpad(CAST(n AS TEXT), 8, '0')"},
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is done once, in one transaction; ``weight`` is its part of the bar."""

    name: str
    weight: int
    run: Callable[[Connection], object]
    alone: bool = False
    """Whether no transaction may be around it."""


def fill(out: Console, store: Store, rows: int) -> float:
    """Make the rows, the indices after each table's rows; gives the seconds that it took."""
    began_at = time.perf_counter()
    done = _done(store, rows)
    steps = [step for step in _steps(store, rows) if step.name not in done]
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn())
    with _fast(store), Progress(*columns, TimeRemainingColumn(), console=out) as progress:
        task = progress.add_task("filling", total=sum(step.weight for step in steps))
        for step in steps:
            progress.update(task, description=step.name)
            if step.alone:
                with store.engine.connect() as connection:
                    step.run(connection.execution_options(isolation_level="AUTOCOMMIT"))
            with store.begin() as connection:
                if not step.alone:
                    step.run(connection)
                connection.execute(
                    text("INSERT INTO bench_filled VALUES (:name)"), {"name": step.name}
                )
            progress.advance(task, step.weight)
    return time.perf_counter() - began_at


def _done(store: Store, rows: int) -> set[str]:
    """Tell the steps that were made; raises SystemExit where they were of other rows."""
    mark = f"rows: {rows}"
    with store.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS bench_filled (name TEXT PRIMARY KEY)"))
        done = set(connection.execute(text("SELECT name FROM bench_filled")).scalars())
        if done and mark not in done:
            raise SystemExit("this database was filled with another number of rows: remove it")
        if not done:
            connection.execute(text("INSERT INTO bench_filled VALUES (:mark)"), {"mark": mark})
    return done


class _fast:  # noqa: N801 - used like a function
    """Connections that wait for no disk: what is lost with the machine is filled again."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> None:
        if self._store.is_sqlite:
            self._store.engine.dispose()
            event.listen(self._store.engine, "connect", self._hurry)

    def __exit__(self, *_raised: object) -> None:
        if self._store.is_sqlite:
            event.remove(self._store.engine, "connect", self._hurry)
            self._store.engine.dispose()

    @staticmethod
    def _hurry(connection: Any, _record: object) -> None:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")


def _steps(store: Store, rows: int) -> Iterator[Step]:
    dialect = store.engine.dialect.name
    words = {**WORDS[dialect], "at": f"({NOW - SPAN_S} + n * {SPAN_S / rows})"}
    for table, statement in statements():
        told = statement.format(series=SERIES[dialect], **words)
        yield from _table(table, told, rows, rows if dialect == "postgresql" else PIECE)
    yield Step("records", 1, lambda connection: records(connection, rows))
    yield from _indexed(
        AUDIT_RECORDS,
        rows,
        [Step("audit", rows, lambda connection: audited(connection, rows, records_apart(rows)))],
    )
    for name, statement in derived(words):
        yield Step(name, PIECE, _saying(statement))
    yield Step("a look at the fleet", 1, look)
    for kept, days in ((DAYS, 31), (HOURS, 8)):
        last = kept.of(NOW) - kept.length_s * (1 if kept is DAYS else 2)
        for begin in range(last, kept.of(NOW - days * DAY_S) - 1, -kept.length_s):
            for by in ("specialist", "tenant", "field"):
                name = f"{kept.table.name} of {begin} by {by}"
                yield Step(name, PIECE // 100, _sharing(kept, begin, by))
    if dialect == "postgresql":
        # As its own daemon does, which waits for a minute; the ledger has SQLite's gathered.
        yield Step("statistics", rows, _saying("VACUUM (ANALYZE)"), alone=True)


def _table(table: Table, statement: str, rows: int, piece: int) -> Iterator[Step]:
    """Fill a table by pieces; as one piece what PostgreSQL has emptied before needs no journal."""

    def insert(connection: Connection, begin: int, until: int) -> None:
        if piece >= rows and connection.dialect.name == "postgresql":
            connection.execute(text(f"TRUNCATE {table.name}"))
        connection.execute(text(statement), {"a": begin, "b": until})

    ends = [(begin, min(begin + piece, rows)) for begin in range(0, rows, piece)]
    yield from _indexed(
        table,
        rows,
        [
            Step(
                f"{table.name}: {until:,}", until - begin, partial(insert, begin=begin, until=until)
            )
            for begin, until in ends
        ],
    )


def _indexed(table: Table, rows: int, filled: Sequence[Step]) -> Iterator[Step]:
    """Make a table's indices after its rows."""
    indices = sorted(table.indexes, key=lambda index: str(index.name))
    yield Step(f"{table.name}: without indices", 0, lambda connection: _drop(connection, indices))
    yield from filled
    for index in indices:
        yield Step(str(index.name), rows // 3, partial(index.create, checkfirst=True))


def _drop(connection: Connection, indices: list[Index]) -> None:
    for index in indices:
        index.drop(connection)


def _saying(statement: str, **given: int) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(text(statement), given)


def _sharing(kept: Kept, begin: int, by: Any) -> Callable[[Connection], object]:
    return lambda connection: keep_one(connection, kept, begin, by, "holder")
