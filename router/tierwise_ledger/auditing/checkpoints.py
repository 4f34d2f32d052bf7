"""Checkpoints: from time to time the end of every stream is signed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from sqlalchemy import Connection, insert, select, update

from tierwise_core.audit_chain import Checkpoint, sealed
from tierwise_ledger.auditing.chain import serialised
from tierwise_ledger.auditing.signing import Signer
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.audit import AUDIT_CHECKPOINTS, AUDIT_RECORDS, AUDIT_STREAMS

__all__ = ["EVERY_S", "keep_sealed", "seal", "seal_streams"]

EVERY_S: Final = 60.0
MOST_AT_ONCE: Final = 100_000


def keep_sealed(store: Store, settings: Settings, now: float) -> None:
    """Seal what is new; a job of the ledger."""
    seal(store, settings, now)


def seal(store: Store, settings: Settings, now: float) -> int:
    """Sign a checkpoint over what every stream has that no checkpoint covers yet; tells how many.

    Done every minute, and before an export. Several ledgers may try at once: one does it.
    """
    signer = Signer.of(settings, store)
    with store.begin() as connection:
        if signer is not None:
            signer.publish(connection, now)
        return seal_streams(connection, signer, now)


def seal_streams(connection: Connection, signer: Signer | None, now: float) -> int:
    """Do it in a transaction; without a signer the checkpoints have no signature."""
    serialised(connection)
    made = 0
    count, covered = AUDIT_STREAMS.c["count"], AUDIT_STREAMS.c.covered
    query = select(AUDIT_STREAMS.c.stream, covered).where(count > covered)
    for stream, since in connection.execute(query.order_by(AUDIT_STREAMS.c.stream)).all():
        for part in _parts(connection, stream, since):
            checkpoint = sealed(stream, part[0], part[1], now)
            _keep(connection, signer.sign(checkpoint) if signer else checkpoint)
            made += 1
    return made


def _parts(connection: Connection, stream: str, since: int) -> list[tuple[int, list[str]]]:
    """Give the hashes to cover; of very many each checkpoint takes a part, and a proof stays small.

    Read as a whole before anything is written.
    """
    query = (
        select(AUDIT_RECORDS.c.hash)
        .where(AUDIT_RECORDS.c.stream == stream, AUDIT_RECORDS.c.seq >= since)
        .order_by(AUDIT_RECORDS.c.seq)
    )
    hashes = list(connection.execute(query).scalars())
    return [
        (since + at, hashes[at : at + MOST_AT_ONCE]) for at in range(0, len(hashes), MOST_AT_ONCE)
    ]


def _keep(connection: Connection, checkpoint: Checkpoint) -> None:
    connection.execute(insert(AUDIT_CHECKPOINTS), asdict(checkpoint))
    connection.execute(
        update(AUDIT_STREAMS)
        .where(AUDIT_STREAMS.c.stream == checkpoint.stream)
        .values(covered=checkpoint.count)
    )
