"""Revisions of a Specialist side by side: their share of the traffic and their U over time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, func, select

from tierwise_core.field_profiles import judgement_of
from tierwise_core.windows import Window, parts_of
from tierwise_ledger.seeing.buckets import HOUR_S, bucket_s, starts
from tierwise_ledger.seeing.steering import ordered, rollouts_of, sides_in
from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.audit import AUDIT_RECORDS
from tierwise_ledger.tables.judged import SUMS, WINDOW_HOURS, WINDOWS

__all__ = ["events", "revisions", "specialists"]

STREAM: Final = "rollouts"
ENVELOPE: Final = frozenset({"at", "kind", "subject", "id", "specialist"})
MOST_EVENTS: Final = 500
TEN_S: Final = 10
SHORT_S: Final = 6 * HOUR_S


def specialists(connection: Connection, span: Span) -> list[dict[str, Any]]:
    """List who was asked in which field, those with several revisions first."""
    table, _ = _table(span)
    query = (
        select(
            table.c.specialist,
            table.c.field,
            func.count(table.c.revision.distinct()).label("revisions"),
            func.sum(table.c.asked).label("asked"),
        )
        .where(table.c.begin >= span.since - HOUR_S, table.c.begin < span.until)
        .group_by(table.c.specialist, table.c.field)
    )
    found = [
        {
            "specialist": row.specialist,
            "field": row.field,
            "revisions": row.revisions,
            "asked": int(row.asked),
        }
        for row in connection.execute(query)
    ]
    return sorted(found, key=lambda one: (one["revisions"] < 2, -one["asked"], one["specialist"]))  # noqa: PLR2004


def revisions(connection: Connection, span: Span, specialist: str, field: str) -> dict[str, Any]:
    """Give each revision's pieces of time: share of the calls, U with its parts, and 95 % of it.

    Beside them stand the Specialist's Rollouts with their stages, and the shares they ordered.
    """
    table, unit_s = _table(span)
    length_s = bucket_s(span.until - span.since, unit_s)
    lines: dict[str, dict[int, Window]] = defaultdict(dict)
    field_total: dict[int, Window] = {}
    for row in connection.execute(_sums(table, span, field)).mappings():
        begin = int(row["begin"]) // length_s * length_s
        window = Window(**{one: int(row[one]) for one in SUMS})
        field_total[begin] = field_total.get(begin, Window()) + window
        if row["specialist"] == specialist:
            line = lines[row["revision"] or "(none)"]
            line[begin] = line.get(begin, Window()) + window
    begins = starts(span.since, span.until, length_s)
    done = events(connection, span, specialist)
    sides = sides_in(done)
    return {
        "specialist": specialist,
        "field": field,
        "bucketSeconds": length_s,
        "begins": list(begins),
        "events": done,
        "rollouts": rollouts_of(done),
        "ordered": ordered(done, begins, length_s),
        "noticeable": judgement_of(field).noticeable_change,
        "revisions": [
            {"side": sides.get(name), **_line(name, found, lines, field_total, begins, field)}
            for name, found in sorted(lines.items(), key=lambda one: min(one[1]))
        ],
    }


def events(connection: Connection, span: Span, specialist: str) -> list[dict[str, Any]]:
    """Tell what was done to a Specialist's rollouts, as the audit has it; the newest first."""
    table = AUDIT_RECORDS.c
    query = (
        select(table.body)
        .where(table.stream == STREAM, table.at >= span.since, table.at < span.until)
        .order_by(table.seq.desc())
        .limit(MOST_EVENTS)
    )
    found = (json.loads(body) for (body,) in connection.execute(query))
    return [
        {
            "at": one["at"],
            "action": one["kind"],
            "rollout": one["subject"],
            "detail": {name: value for name, value in one.items() if name not in ENVELOPE},
        }
        for one in found
        if one.get("specialist") == specialist
    ]


def _table(span: Span) -> tuple[Table, int]:
    short = span.until - span.since <= SHORT_S + HOUR_S
    return (WINDOWS, TEN_S) if short else (WINDOW_HOURS, HOUR_S)


def _sums(table: Table, span: Span, field: str) -> Any:
    names = ("specialist", "revision", "begin")
    return (
        select(*(table.c[one] for one in names), *(table.c[one] for one in SUMS))
        .where(
            table.c.field == field,
            table.c.begin >= span.since - HOUR_S,
            table.c.begin < span.until,
        )
        .order_by(table.c.begin)
    )


def _line(  # noqa: PLR0913, PLR0917 - the pieces of one picture
    name: str,
    found: Mapping[int, Window],
    lines: Mapping[str, Mapping[int, Window]],
    field_total: Mapping[int, Window],
    begins: Sequence[int],
    field: str,
) -> dict[str, Any]:
    told = []
    for begin in begins:
        window = found.get(begin, Window())
        asked = sum(one.get(begin, Window()).asked for one in lines.values())
        point: dict[str, Any] = {"asked": window.asked, "judged": window.judged}
        point["share"] = window.asked / asked if asked else None
        if window.judged:
            total = field_total.get(begin, window).judged
            parts = parts_of(window, judgement_of(field), total)
            spread = 1.96 * (max(parts.variance, 0.0) / window.judged) ** 0.5
            point |= {
                "u": parts.utility,
                "efficacy": parts.efficacy,
                "confidence": parts.confidence,
                "curiosity": parts.curiosity,
                "low": parts.utility - spread,
                "high": parts.utility + spread,
            }
        told.append(point)
    return {"revision": name, "points": told}
