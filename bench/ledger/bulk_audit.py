"""A whole audit of millions of decisions: every record follows the one before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

from bulk_rows import NOW, SPAN_S, record_of
from sqlalchemy import Connection, delete, insert

from tierwise_core.audit_chain import GENESIS, canonical, record_hash, sealed
from tierwise_ledger.auditing.chain import digest_of
from tierwise_ledger.tables.audit import AUDIT_CHECKPOINTS, AUDIT_RECORDS, AUDIT_STREAMS

__all__ = ["audited"]

STREAM = "decisions"
COVERED = 100_000
COLUMNS = ("stream", "seq", "at", "subject", "previous", "body", "hash")

Row = tuple[str, int, float, str, str, str, str]


def audited(connection: Connection, rows: int, records_apart: int) -> None:
    """Chain all decisions, with a checkpoint over each hundred thousand of them."""
    for table in (AUDIT_RECORDS, AUDIT_CHECKPOINTS, AUDIT_STREAMS):
        connection.execute(delete(table))
    head, chain = GENESIS, _chain(rows, records_apart)
    for since in range(0, rows, COVERED):
        some = list(islice(chain, COVERED))
        _insert(connection, some)
        checkpoint = sealed(STREAM, since, [row[-1] for row in some], some[-1][2])
        connection.execute(insert(AUDIT_CHECKPOINTS), asdict(checkpoint))
        head = checkpoint.head
    end = {"stream": STREAM, "count": rows, "hash": head, "covered": rows}
    connection.execute(insert(AUDIT_STREAMS), end)


def _chain(rows: int, records_apart: int) -> Iterator[Row]:
    previous = GENESIS
    for number in range(rows):
        at, name = NOW - SPAN_S + number * (SPAN_S / rows), f"d-fill-one-{number:08d}"
        body = canonical(_said(number, name, at, rows, records_apart))
        own = record_hash(STREAM, number, previous, body)
        yield STREAM, number, at, name, previous, body, own
        previous = own


def _said(number: int, name: str, at: float, rows: int, records_apart: int) -> Mapping[str, Any]:
    """Give a short body; of the decisions whose record is there the digest is right."""
    has_record = number % records_apart == 0
    digest = digest_of(record_of(number, rows)) if has_record else f"{number:064x}"
    cost_usd = (20_000 + number % 100) / 1e9
    return {
        "at": at, "kind": "decision", "subject": name, "digest": digest, "cost_usd": cost_usd,
    }  # fmt: skip


def _insert(connection: Connection, rows: list[Row]) -> None:
    """Insert by the quickest way that the database has."""
    cursor = connection.connection.cursor()
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(COLUMNS))
        cursor.executemany(
            f"INSERT INTO audit_records ({', '.join(COLUMNS)}) VALUES ({marks})",  # noqa: S608
            rows,
        )
    else:
        with cursor.copy(f"COPY audit_records ({', '.join(COLUMNS)}) FROM STDIN") as copy:  # type: ignore[attr-defined]
            for row in rows:
                copy.write_row(row)
    cursor.close()
