"""The way out: one outcome with all that belongs to it, and sums of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, CompoundSelect, Connection, and_, func, or_, select

from tierwise_ledger.choosing import Choice, filtered
from tierwise_ledger.errors import NotKnownError
from tierwise_ledger.listing import told
from tierwise_ledger.outcome_rows import unpacked
from tierwise_ledger.tables.base import DAY_S, NANO, day_of, hour_of
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.feedback import FEEDBACK
from tierwise_ledger.tables.outcomes import OUTCOME_DAYS, OUTCOME_HOURS, OUTCOMES, RECORDS

__all__ = ["GROUPS", "find_outcome", "is_known", "summarise"]

GROUPS: Final = (
    "hour", "tenant", "field", "specialist", "revision", "tier", "latency_class", "workload",
    "state",
)  # fmt: skip
"""What sums can be made by."""

SUMS: Final = (
    "requests", "calls", "input_tokens", "cached_tokens", "output_tokens", "cost_nano_usd",
    "milliseconds", "feedback_yes", "feedback_no", "corrected",
)  # fmt: skip
SHOWN: Final = 60


def is_known(connection: Connection, name: str) -> bool:
    """Tell whether an outcome has arrived."""
    query = select(OUTCOMES.c.seq).where(OUTCOMES.c.id == name)
    return connection.execute(query).first() is not None


def find_outcome(connection: Connection, name: str) -> dict[str, Any]:
    """Give an outcome with its calls, its words and its whole record; raises NotKnownError."""
    found = connection.execute(select(OUTCOMES).where(OUTCOMES.c.id == name)).mappings().first()
    if found is None:
        raise NotKnownError(
            f"outcome {name[:SHOWN]!r} is not known; it has not arrived yet (a router ships every "
            "half second), was never made, or is older than what is kept",
            field="id",
        )
    calls = select(CALLS).where(CALLS.c.outcome == name).order_by(CALLS.c.position)
    words = (
        select(FEEDBACK).where(FEEDBACK.c.decision == name).order_by(FEEDBACK.c.at, FEEDBACK.c.id)
    )
    body = connection.execute(select(RECORDS.c.body).where(RECORDS.c.id == name)).scalar()
    return {
        **told(dict(found)),
        "steps": [told(dict(row)) for row in connection.execute(calls).mappings()],
        "words": [dict(row) for row in connection.execute(words).mappings()],
        "record": unpacked(body) if body else None,
    }


def summarise(connection: Connection, by: Sequence[str], choice: Choice) -> list[dict[str, Any]]:
    """Sum outcomes by some of their labels, over whole hours; the most requests come first.

    ``answered`` are those that ended with an answer, and ``usd_per_answer`` is None where there is
    none. What waits for GPUs is not in it: that is the bill's business.
    """
    source = _hours_and_days(choice, by).subquery()
    columns = [source.c[name] for name in by]
    sums = (func.sum(source.c[name]).label(name) for name in SUMS)
    query = filtered(select(*columns, *sums, _accepted(source.c)), source.c, choice.filters)
    if columns:
        query = query.group_by(*columns)
    rows = [_summed(dict(row)) for row in connection.execute(query).mappings()]
    rows = [row for row in rows if row["requests"] or row["calls"]]
    if "hour" in by:
        return sorted(rows, key=lambda row: (row["hour"], -row["requests"]))
    return sorted(rows, key=lambda row: -row["requests"])


def _hours_and_days(choice: Choice, by: Sequence[str]) -> CompoundSelect[Any]:
    """Choose the sums of a span: whole days by the day, and its ends by the hour."""
    hours, days = OUTCOME_HOURS.c, OUTCOME_DAYS.c
    begin, end = hour_of(choice.since), choice.until
    first = -(-begin // DAY_S) * DAY_S
    last = max(first, day_of(end))
    if "hour" in by:
        first = last = begin
    names = [name for name in (*GROUPS, *SUMS) if name != "hour"]
    ends = or_(and_(hours.hour >= begin, hours.hour < first), hours.hour >= last)
    by_hour = select(hours.hour, *(hours[name] for name in names)).where(
        hours.hour >= begin, hours.hour < end, ends
    )
    by_day = select(days.day, *(days[name] for name in names)).where(
        days.day >= first, days.day < last
    )
    return by_hour.union_all(by_day)


def _accepted(columns: Any) -> ColumnElement[int]:
    states = columns.state.in_(("accepted", "repaired", "escalated", "relayed"))
    return func.sum(columns.requests).filter(states).label("answered")


def _summed(row: dict[str, Any]) -> dict[str, Any]:
    for name in (*SUMS, "answered"):
        row[name] = int(row[name] or 0)
    cost_usd = row.pop("cost_nano_usd") / NANO
    seconds = row.pop("milliseconds") / 1000
    return {
        **row,
        "cost_usd": cost_usd,
        "seconds": seconds,
        "usd_per_answer": cost_usd / row["answered"] if row["answered"] else None,
    }
