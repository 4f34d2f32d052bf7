"""The replay buffer: what the green side of a rollout that went back got wrong.

Its rejected and contradicting answers become pairs of negative weight in an export. An answer that
never came has no text and makes no pair; it is kept to be counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, and_, func, insert, or_, select

from tierwise_ledger.auditing import chain
from tierwise_ledger.learning.interactions import plain
from tierwise_ledger.learning.sides import fields_of
from tierwise_ledger.tables.contents import CONTENTS
from tierwise_ledger.tables.judged import INTERACTIONS
from tierwise_ledger.tables.learned import ROLLED_BACK
from tierwise_ledger.tables.rollouts import ROLLOUT_FAILURES
from tierwise_ledger.upsert import replace_rows
from tierwise_ledger.words import chunks

__all__ = ["Failed", "Kept", "keep_failures", "taken_back_by"]

REJECTED: Final = "rejected"
CONTRADICTING: Final = "contradicting"
FAILED: Final = "failed"
STREAM: Final = "rollouts"
ACTION: Final = "failures-kept"
AT_ONCE: Final = 500
FROM: Final = ("decision", "position", "at", "specialist", "revision", "field")


@dataclass(frozen=True, slots=True)
class Failed:
    """A rollout that went back: whose, the revisions it took back, when they answered, and why."""

    rollout: str
    specialist: str
    revisions: tuple[str, ...]
    since: float
    until: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of it: answers by what was wrong with them, and how many have no text."""

    rejected: int
    contradicting: int
    failed: int
    without_text: int

    def to_row(self) -> dict[str, int]:
        """Give it in JSON's types; ``kept`` is all of it."""
        return {
            "kept": self.rejected + self.contradicting + self.failed,
            "rejected": self.rejected,
            "contradicting": self.contradicting,
            "failed": self.failed,
            "withoutText": self.without_text,
        }


def keep_failures(connection: Connection, failed: Failed, now: float) -> Kept:
    """Keep what went wrong, in the caller's transaction.

    Told twice, nothing is kept twice; what somebody has rejected meanwhile is added.
    """
    chain.serialised(connection)
    known = _known(connection, failed.rollout)
    rows = [row for row in _wrong(connection, failed) if (row["decision"], row["position"])
            not in known]  # fmt: skip
    if rows:
        connection.execute(insert(ROLLOUT_FAILURES), rows)
    told = {"specialist": plain(failed.specialist), "at": now, "reason": plain(failed.reason)}
    back = [{**told, "revision": plain(one)} for one in failed.revisions]
    replace_rows(connection, ROLLED_BACK, back)
    kept = _kept(connection, failed.rollout)
    if rows or not known:
        _note(connection, failed, kept, now)
    return kept


def taken_back_by(
    connection: Connection, decisions: Iterable[str]
) -> Mapping[tuple[str, int], str]:
    """Name the rollout that took an answer back, by its decision and step."""
    table = ROLLOUT_FAILURES.c
    found: dict[tuple[str, int], str] = {}
    for names in chunks(decisions, AT_ONCE):
        query = select(table.decision, table.position, table.rollout).where(
            table.decision.in_(names)
        )
        for decision, position, rollout in connection.execute(query.order_by(table.rollout)):
            found[decision, position] = rollout
    return found


def _known(connection: Connection, rollout: str) -> set[tuple[str, int]]:
    table = ROLLOUT_FAILURES.c
    query = select(table.decision, table.position).where(table.rollout == rollout)
    return {(decision, position) for decision, position in connection.execute(query)}


def _wrong(connection: Connection, failed: Failed) -> Iterator[dict[str, Any]]:
    """Find what people or a verifier rejected, what is at odds with what stands, what never came.

    An answer that only the gate passed on was not sure enough: nobody said that it is wrong.
    """
    one = INTERACTIONS.c
    fields = fields_of(connection, failed.specialist, failed.since, failed.revisions)
    said_no = and_(one.accepted.is_(False), one.source.in_(("feedback", "verifier")))
    query = select(*(one[name] for name in FROM), one.came, said_no.label("said_no")).where(
        one.specialist == failed.specialist,
        one.field.in_(fields),
        one.revision.in_(failed.revisions),
        one.at >= failed.since,
        one.at < failed.until,
        or_(said_no, one.contradicted, one.came.is_(False)),
    )
    for row in connection.execute(query).mappings():
        how = REJECTED if row["said_no"] else CONTRADICTING
        yield {
            "rollout": failed.rollout,
            **{name: row[name] for name in FROM},
            "how": how if row["came"] else FAILED,
        }


def _kept(connection: Connection, rollout: str) -> Kept:
    table = ROLLOUT_FAILURES.c
    mine = table.rollout == rollout
    query = select(table.how, func.count()).where(mine).group_by(table.how)
    counts: Counter[str] = Counter()
    for how, count in connection.execute(query):
        counts[how] = int(count)
    texts = (
        select(func.count())
        .select_from(ROLLOUT_FAILURES.join(CONTENTS, CONTENTS.c.id == table.decision))
        .where(mine, table.how != FAILED)
    )
    with_text = int(connection.execute(texts).scalar_one())
    came = counts[REJECTED] + counts[CONTRADICTING]
    return Kept(counts[REJECTED], counts[CONTRADICTING], counts[FAILED], came - with_text)


def _note(connection: Connection, failed: Failed, kept: Kept, now: float) -> None:
    chain.note(
        connection, STREAM, ACTION, f"Rollout/{failed.rollout}", now,
        specialist=failed.specialist, revisions=list(failed.revisions), reason=failed.reason,
        **kept.to_row(),
    )  # fmt: skip
