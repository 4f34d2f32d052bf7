"""Appending to the streams of the audit, in the transaction of what is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import orjson
from sqlalchemy import Connection, bindparam, insert, select, text, update

from tierwise_core.audit_chain import GENESIS, Head, append, canonical, is_stream
from tierwise_core.decision_record import SHADOW, DecisionRecord, Feedback
from tierwise_ledger.batch import Batch
from tierwise_ledger.tables.audit import AUDIT_RECORDS, AUDIT_STREAMS
from tierwise_ledger.upsert import insert_new

__all__ = ["AUDIT_KIND", "DECISIONS", "digest_of", "note", "serialised", "take"]

AUDIT_KIND: Final = "audit"
"""Rows of this kind say what somebody changed: a rollout, a policy, a key."""

DECISIONS: Final = "decisions"
FEEDBACK: Final = "feedback"
OTHER: Final = "other"
LOCK: Final = 0x7469657261756474
ENVELOPE: Final = frozenset({"kind", "id", "at", "stream", "action", "subject"})
MOST_SUBJECT: Final = 512

Body = Mapping[str, Any]


def serialised(connection: Connection) -> None:
    """Let one transaction at a time go on from here, whichever ledger it belongs to.

    A chain has one end, and a claim is to be compared with those that came before it. SQLite has
    one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})


def take(connection: Connection, batch: Batch) -> None:
    """Chain what is new: decisions, feedback, and what somebody changed."""
    serialised(connection)
    streams: dict[str, list[Body]] = {}
    if batch.decisions:
        told = batch.told or tuple(record.to_row() for record in batch.decisions)
        pairs = zip(batch.decisions, told, strict=True)
        streams[DECISIONS] = [_decision(record, row) for record, row in pairs]
    if batch.feedback:
        streams[FEEDBACK] = [_feedback(word) for word in batch.feedback]
    for row in batch.rows:
        if row.get("kind") == AUDIT_KIND:
            stream, body = _change(row)
            streams.setdefault(stream, []).append(body)
    for stream, bodies in sorted(streams.items()):
        _append(connection, stream, bodies)


def note(
    connection: Connection, stream: str, action: str, subject: str, at: float, **detail: Any
) -> None:
    """Chain something that the ledger itself did or was told, such as an erasure.

    Raises ValueError for a name that no stream may have.
    """
    if not is_stream(stream):
        raise ValueError(f"stream {stream!r}: give small letters, digits and dashes")
    serialised(connection)
    body = {"at": at, "kind": action, "subject": subject[:MOST_SUBJECT], **detail}
    _append(connection, stream, [body])


def digest_of(row: Mapping[str, Any]) -> str:
    """Digest a row of a journal, whatever the order of its keys.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    return sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _decision(record: DecisionRecord, row: Mapping[str, Any]) -> Body:
    """Say who answered, what it cost and how it ended; the digest covers all the rest."""
    last = record.steps[-1] if record.steps else None
    return {
        "at": record.at,
        "kind": "decision",
        "subject": record.id,
        "tenant": record.tenant,
        "state": SHADOW if record.is_shadow else record.state,
        "status": record.status,
        "specialist": record.specialist,
        "revision": last.revision if last else "",
        "tier": last.tier if last else "",
        "field": record.field or "",
        "calls": len(record.steps),
        "cost_usd": record.cost_usd,
        "digest": digest_of(row),
    }


def _feedback(word: Feedback) -> Body:
    """Say what was made of an answer; the right one, which is a text, is in the digest only."""
    return {
        "at": word.at,
        "kind": "feedback",
        "subject": word.decision,
        "accepted": word.accepted,
        "corrected": word.corrected is not None,
        "digest": digest_of(word.to_row()),
    }


def _change(row: Mapping[str, Any]) -> tuple[str, Body]:
    stream = row.get("stream")
    if not isinstance(stream, str) or not is_stream(stream) or stream in {DECISIONS, FEEDBACK}:
        stream = OTHER
    rest = {str(name): value for name, value in row.items() if name not in ENVELOPE}
    return stream, {
        **rest,
        "at": _seconds(row.get("at")),
        "kind": str(row.get("action") or "changed")[:MOST_SUBJECT],
        "subject": str(row.get("subject") or row.get("id") or "")[:MOST_SUBJECT],
        "id": str(row.get("id") or "")[:MOST_SUBJECT],
    }


def _seconds(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else 0.0  # type: ignore[arg-type]


def _append(connection: Connection, stream: str, bodies: Sequence[Body]) -> None:
    head = _head(connection, stream)
    records, after = append(head, (canonical(body) for body in bodies))
    rows = [
        {
            "stream": stream,
            "seq": record.seq,
            "at": body["at"],
            "subject": _plain(str(body["subject"])),
            "previous": record.previous,
            "body": record.body,
            "hash": record.hash,
        }
        for record, body in zip(records, bodies, strict=True)
    ]
    connection.execute(insert(AUDIT_RECORDS), rows)
    statement = update(AUDIT_STREAMS).where(AUDIT_STREAMS.c.stream == bindparam("of"))
    connection.execute(statement, {"of": stream, "count": after.count, "hash": after.hash})


def _head(connection: Connection, stream: str) -> Head:
    begun = {"stream": stream, "count": 0, "hash": GENESIS, "covered": 0}
    insert_new(connection, AUDIT_STREAMS, "stream", [begun])
    columns = (AUDIT_STREAMS.c["count"], AUDIT_STREAMS.c.hash)
    query = select(*columns).where(AUDIT_STREAMS.c.stream == stream).with_for_update()
    count, last = connection.execute(query).one()
    return Head(stream, count, last)


def _plain(text_: str) -> str:
    """Give a text that a database can hold; the body has it as it was."""
    return text_.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
