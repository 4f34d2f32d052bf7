"""Verdicts that come after their answers, on what went out unjudged.

A router writes one into the same journal as the decision, and behind it. So the decision is known
here already, or is gone: then there is nothing left that the verdict could change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, bindparam, update

from tierwise_core.late_verdict import VERDICT_KIND, Verdict
from tierwise_ledger.learning.interactions import Changes
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.outcomes import OUTCOMES

__all__ = ["take_verdicts"]

JUDGED_CALL: Final = (
    update(CALLS)
    .where(CALLS.c.outcome == bindparam("of"), CALLS.c.position == bindparam("at_position"))
    .values(verified=bindparam("said"), checks=bindparam("words"))
)
JUDGED_OUTCOME: Final = (
    update(OUTCOMES).where(OUTCOMES.c.id == bindparam("of")).values(verified=bindparam("said"))
)


def take_verdicts(
    connection: Connection, rows: Iterable[Mapping[str, Any]], changes: Changes
) -> None:
    """Take the verdicts among rows that are new: the call, the outcome and the windows change."""
    found = [Verdict.of(row) for row in rows if row.get("kind") == VERDICT_KIND]
    if not found:
        return
    told = [
        {
            "of": one.decision,
            "at_position": one.position,
            "said": one.verified,
            "words": list(one.checks) or None,
        }
        for one in found
    ]
    connection.execute(JUDGED_CALL, told)
    connection.execute(
        JUDGED_OUTCOME, [{name: row[name] for name in ("of", "said")} for row in told]
    )
    changes.verify({(one.decision, one.position): one.verified for one in found})
