"""Finds what was changed in the tables that reports are made of, by what the chain says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, func, select

from tierwise_core.audit_findings import Finding
from tierwise_ledger.auditing.chain import DECISIONS
from tierwise_ledger.tables.audit import AUDIT_CHECKPOINTS, AUDIT_STREAMS
from tierwise_ledger.tables.base import nano_usd
from tierwise_ledger.tables.outcomes import OUTCOMES

__all__ = ["lost_checkpoints", "wrong_outcomes"]

CHAINED: Final = ("tenant", "field", "state", "status", "specialist")
OF_WHO_ANSWERED: Final = ("revision", "tier")
COST: Final = "cost_nano_usd"
REPLACED: Final = "\ufffd"
"""Stands in a table for what it cannot hold."""


def wrong_outcomes(
    connection: Connection, chained: Mapping[str, tuple[int, Mapping[str, Any]]]
) -> Iterator[Finding]:
    """Find outcomes that say another thing than their record in the chain; erased ones are fine.

    ``chained`` are some decisions: each with its place in the chain and what stands there.
    """
    columns = [OUTCOMES.c[name] for name in ("id", *CHAINED, *OF_WHO_ANSWERED, COST)]
    query = select(*columns).where(OUTCOMES.c.id.in_(chained))
    for row in connection.execute(query).mappings():
        seq, body = chained[row["id"]]
        for name, says, was in _differences(dict(row), body):
            yield Finding(
                DECISIONS,
                seq,
                "changed",
                f"the outcome of {row['id']} has {name} {says!r}, record {seq} has {was!r}",
                row["id"],
            )


def _differences(
    row: Mapping[str, Any], body: Mapping[str, Any]
) -> Iterator[tuple[str, object, object]]:
    names = (*CHAINED, *OF_WHO_ANSWERED) if body.get("specialist") else CHAINED
    for name in names:
        says, was = row[name], body.get(name)
        if says != was and was is not None and REPLACED not in str(says):
            yield name, says, was
    was_usd = body.get("cost_usd") or 0.0
    # Whose answer was put together out of others' costs nothing itself: its parts do.
    fine = {nano_usd(was_usd)} if body.get("calls") else {nano_usd(was_usd), 0}
    if row[COST] not in fine:
        yield "cost_usd", row[COST] / 1e9, was_usd


def lost_checkpoints(connection: Connection) -> Iterator[Finding]:
    """Find streams whose newest checkpoints are gone: the ledger knows how far it had signed."""
    last = (
        select(AUDIT_CHECKPOINTS.c.stream, func.max(AUDIT_CHECKPOINTS.c["count"]).label("reach"))
        .group_by(AUDIT_CHECKPOINTS.c.stream)
        .subquery()
    )
    query = select(AUDIT_STREAMS.c.stream, AUDIT_STREAMS.c.covered, last.c.reach).outerjoin(
        last, last.c.stream == AUDIT_STREAMS.c.stream
    )
    for stream, covered, reach in connection.execute(query.order_by(AUDIT_STREAMS.c.stream)):
        if covered > (reach or 0):
            yield Finding(
                stream,
                reach or 0,
                "checkpoint",
                f"the checkpoint is missing that covers {covered} records; "
                + (f"the last one that is there covers {reach}" if reach else "there is none"),
            )
