"""Reading the audit: for an export, for a look through it, and for proofs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, Table, func, select

from tierwise_core.audit_chain import ChainRecord, Checkpoint, Proof
from tierwise_core.audit_findings import Finding
from tierwise_core.audit_verify import Verification, verify
from tierwise_ledger.auditing.chain import DECISIONS, digest_of
from tierwise_ledger.auditing.signatures import signature_problem
from tierwise_ledger.auditing.signing import published_keys
from tierwise_ledger.auditing.tables import lost_checkpoints, wrong_outcomes
from tierwise_ledger.errors import NotKnownError
from tierwise_ledger.outcome_rows import unpacked
from tierwise_ledger.tables.audit import AUDIT_CHECKPOINTS, AUDIT_RECORDS, AUDIT_STREAMS
from tierwise_ledger.tables.outcomes import RECORDS

__all__ = ["entries", "heads", "proofs", "records_of", "verify_store"]

AT_ONCE: Final = 500
PAGE: Final = 2000


def heads(connection: Connection) -> list[dict[str, Any]]:
    """List the streams with their ends."""
    query = select(AUDIT_STREAMS).order_by(AUDIT_STREAMS.c.stream)
    return [dict(row) for row in connection.execute(query).mappings()]


def entries(
    connection: Connection, streams: Sequence[str] = ()
) -> Iterator[ChainRecord | Checkpoint]:
    """Give records and checkpoints stream by stream, as the tables have them, page by page.

    Streams are found by their records, so that one which lost its head is not passed over.
    """
    known = {*_names(connection, AUDIT_RECORDS), *_names(connection, AUDIT_CHECKPOINTS)}
    for stream in sorted(known):
        if not streams or stream in streams:
            yield from _stream(connection, stream)


def _names(connection: Connection, table: Table) -> Iterator[str]:
    """Name the streams of a table, each found by the index: it has millions of rows, and few names.

    Any may be there, were it by tampering; so the first is looked for without a bound.
    """
    last = connection.execute(select(func.min(table.c.stream))).scalar()
    while last is not None:
        yield last
        after = select(func.min(table.c.stream)).where(table.c.stream > last)
        last = connection.execute(after).scalar()


def _stream(connection: Connection, stream: str) -> Iterator[ChainRecord | Checkpoint]:
    waiting = list(_checkpoints(connection, stream))
    for record in _records(connection, stream):
        while waiting and waiting[0].count <= record.seq:
            yield waiting.pop(0)
        yield record
    yield from waiting


def _records(connection: Connection, stream: str) -> Iterator[ChainRecord]:
    columns = _record_columns()
    after = None
    while True:
        query = select(*columns).where(AUDIT_RECORDS.c.stream == stream)
        if after is not None:
            query = query.where(AUDIT_RECORDS.c.seq > after)
        rows = connection.execute(query.order_by(AUDIT_RECORDS.c.seq).limit(PAGE)).all()
        if not rows:
            return
        for row in rows:
            yield _record(row)
        after = rows[-1].seq


def _checkpoints(connection: Connection, stream: str) -> Iterator[Checkpoint]:
    count = AUDIT_CHECKPOINTS.c["count"]
    query = select(AUDIT_CHECKPOINTS).where(AUDIT_CHECKPOINTS.c.stream == stream).order_by(count)
    return (Checkpoint(**row) for row in connection.execute(query).mappings().all())


def _record_columns() -> Sequence[Any]:
    return [AUDIT_RECORDS.c[name] for name in ("stream", "seq", "previous", "body", "hash")]


def _record(row: Row[Any]) -> ChainRecord:
    return ChainRecord(*row)


def records_of(connection: Connection, subject: str) -> list[ChainRecord]:
    """Give all records about one subject, such as a decision's id."""
    query = (
        select(*_record_columns())
        .where(AUDIT_RECORDS.c.subject == subject)
        .order_by(AUDIT_RECORDS.c.stream, AUDIT_RECORDS.c.seq)
    )
    return [_record(row) for row in connection.execute(query)]


def proofs(connection: Connection, subject: str) -> list[Proof]:
    """Prove all records about a subject, each by the checkpoint that covers it.

    Raises NotKnownError where the audit has nothing about it, or no checkpoint covers it yet.
    """
    records = records_of(connection, subject)
    if not records:
        raise NotKnownError(
            f"the audit has no record about {subject[:120]!r}; give the id of a decision, or the "
            "name of what was changed"
        )
    return [_proof(connection, record) for record in records]


def _proof(connection: Connection, record: ChainRecord) -> Proof:
    count = AUDIT_CHECKPOINTS.c["count"]
    query = (
        select(AUDIT_CHECKPOINTS)
        .where(AUDIT_CHECKPOINTS.c.stream == record.stream, count > record.seq)
        .order_by(count)
        .limit(1)
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotKnownError(
            f"no checkpoint covers record {record.seq} of {record.stream} yet; ask again in a "
            "minute, or seal it now with POST /v1/audit/checkpoints"
        )
    checkpoint = Checkpoint(**row)
    covered = (
        select(AUDIT_RECORDS.c.hash)
        .where(
            AUDIT_RECORDS.c.stream == record.stream,
            AUDIT_RECORDS.c.seq >= checkpoint.since,
            AUDIT_RECORDS.c.seq < checkpoint.count,
        )
        .order_by(AUDIT_RECORDS.c.seq)
    )
    hashes = list(connection.execute(covered).scalars())
    if len(hashes) != checkpoint.count - checkpoint.since:
        raise NotKnownError(
            f"records are missing below checkpoint {checkpoint.count} of {record.stream}: nothing "
            "there can be proved; tierwise audit verify names them"
        )
    return Proof.of(record, checkpoint, hashes)


def verify_store(
    connection: Connection,
    keys: Mapping[str, str] | None = None,
    anchors: Sequence[Checkpoint] = (),
) -> Verification:
    """Look through the whole audit, its tables' own columns, and what is kept of decisions.

    ``keys`` are those to trust; without them the published ones, which whoever can write to the
    database could have replaced.
    """
    trusted = published_keys(connection) if keys is None else keys

    def look(checkpoint: Checkpoint) -> str:
        return signature_problem(checkpoint, trusted, must_be_signed=keys is not None)

    found = verify(entries(connection), look, anchors)
    more = (
        *_wrong_ends(connection, found),
        *lost_checkpoints(connection),
        *_wrong_columns(connection),
        *_wrong_records(connection),
    )
    return Verification(
        found.heads,
        found.records,
        found.checkpoints,
        found.signed,
        found.uncovered,
        (*found.findings, *more),
    )


def _wrong_ends(connection: Connection, found: Verification) -> Iterator[Finding]:
    """Find streams whose last records are gone although no checkpoint covers them yet."""
    ends = {head.stream: head for head in found.heads}
    for row in heads(connection):
        end = ends.get(row["stream"])
        have = end.count if end else 0
        if have < row["count"]:
            yield Finding(
                row["stream"],
                have,
                "dropped",
                f"records {have} to {row['count'] - 1} are missing at the end: the ledger has "
                f"written {row['count']}",
            )


def _wrong_columns(connection: Connection) -> Iterator[Finding]:
    """Find rows that would be looked up by another subject than their body says."""
    for stream in [row["stream"] for row in heads(connection)]:
        for row in chain.from_iterable(_column_pages(connection, stream)):
            record = ChainRecord(row.stream, row.seq, "", row.body, "")
            if record.subject == row.subject or "\ufffd" in row.subject:
                continue
            yield Finding(
                row.stream,
                row.seq,
                "changed",
                f"record {row.seq} is filed under {row.subject!r}, it is about {record.subject!r}",
                record.subject,
            )


def _column_pages(connection: Connection, stream: str) -> Iterator[Sequence[Row[Any]]]:
    columns = [AUDIT_RECORDS.c[name] for name in ("stream", "seq", "body", "subject")]
    after = -1
    while True:
        query = (
            select(*columns)
            .where(AUDIT_RECORDS.c.stream == stream, AUDIT_RECORDS.c.seq > after)
            .order_by(AUDIT_RECORDS.c.seq)
            .limit(AT_ONCE)
        )
        rows = connection.execute(query).all()
        if not rows:
            return
        yield rows
        after = rows[-1].seq


def _wrong_records(connection: Connection) -> Iterator[Finding]:
    """Find decisions whose record or outcome is not what was chained; erased ones are fine."""
    for rows in _column_pages(connection, DECISIONS):
        said = {row.subject: (row.seq, orjson.loads(row.body)) for row in rows}
        yield from wrong_outcomes(connection, said)
        query = select(RECORDS.c.id, RECORDS.c.body).where(RECORDS.c.id.in_(said))
        for name, body in connection.execute(query):
            seq, chained = said[name]
            if chained.get("digest") != _digest(body):
                yield Finding(
                    DECISIONS,
                    seq,
                    "changed",
                    f"the record of {name} is not the one that was chained as record {seq}",
                    name,
                )


def _digest(body: bytes) -> str:
    try:
        return digest_of(unpacked(body))
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not what was chained
        return ""
