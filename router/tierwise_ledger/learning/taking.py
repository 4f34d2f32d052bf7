"""Taking what is new: interactions, windows, claims, histograms; in the transaction of records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, delete

from tierwise_core.decision_record import DecisionRecord
from tierwise_core.drift_signals import input_bins, output_bins
from tierwise_ledger.auditing.chain import AUDIT_KIND, serialised
from tierwise_ledger.batch import Batch
from tierwise_ledger.learning.claiming import record_claims
from tierwise_ledger.learning.interactions import Changes, last_words, plain
from tierwise_ledger.learning.verdicts import take_verdicts
from tierwise_ledger.tables.base import hour_of
from tierwise_ledger.tables.learned import ROLLED_BACK, SIGNAL_COUNTS
from tierwise_ledger.upsert import add_up, replace_rows

__all__ = ["ROLLED_BACK_ACTION", "take"]

ROLLED_BACK_ACTION: Final = "rolled-back"
PROMOTED: Final = "promoted"
MOST_REASON: Final = 1024


def take(connection: Connection, batch: Batch) -> None:
    """Learn from what is new.

    One ledger at a time: a word and its decision may come to two of them at once, and either must
    see the other.
    """
    serialised(connection)
    new = {record.id for record in batch.decisions}
    words = last_words(connection, sorted(new | {word.decision for word in batch.feedback}))
    changes = Changes(connection)
    for record in batch.decisions:
        changes.add(record, words.get(record.id))
    changes.hear({name: word for name, word in words.items() if name not in new})
    take_verdicts(connection, batch.rows, changes)
    record_claims(connection, batch.decisions, words, changes)
    changes.write()
    add_up(connection, SIGNAL_COUNTS, _signals(batch.decisions))
    _mark_revisions(connection, batch.rows)


def _signals(records: Iterable[DecisionRecord]) -> Iterator[dict[str, Any]]:
    """Count what was measured of questions by field, and of answers by Specialist."""
    counts: Counter[tuple[str, str, str, int, int]] = Counter()
    for record in records:
        if record.is_shadow:  # its question was counted when a client asked it
            continue
        begin = hour_of(record.at)
        for signal, number in input_bins(record):
            counts["field", plain(record.field or ""), signal, begin, number] += 1
        for step in record.steps:
            for signal, number in output_bins(step):
                counts["specialist", plain(step.specialist), signal, begin, number] += 1
    for (side, name, signal, begin, number), count in counts.items():
        yield {
            "side": side, "name": name, "signal": signal, "begin": begin, "bin": number,
            "count": count,
        }  # fmt: skip


def _mark_revisions(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Remember which revisions a rollout took back; one that was promoted later is good again."""
    for row in rows:
        if row.get("kind") != AUDIT_KIND or row.get("action") not in {ROLLED_BACK_ACTION, PROMOTED}:
            continue
        back = list(_revisions(row))
        if row["action"] == ROLLED_BACK_ACTION:
            replace_rows(connection, ROLLED_BACK, back)
            continue
        for one in back:
            same = [ROLLED_BACK.c[name] == one[name] for name in ("specialist", "revision")]
            connection.execute(delete(ROLLED_BACK).where(*same))


def _revisions(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    specialist, at = row.get("specialist"), row.get("at")
    several = row.get("revisions")
    named = several if isinstance(several, list) else [row.get("revision")]
    if not isinstance(specialist, str):
        return
    for revision in dict.fromkeys(one for one in named if isinstance(one, str) and one):
        yield {
            "specialist": plain(specialist),
            "revision": plain(revision),
            "at": float(at) if isinstance(at, int | float) else 0.0,
            "reason": plain(str(row.get("reason") or ""))[:MOST_REASON],
        }
