"""What an accepted answer cost over time, by field, tenant and what else costs are told apart by.

Where the fleet was looked at, the money is its whole bill, as `tierwise cost` shares it: idle GPUs
and providers included. Where it never was, it is what the router recorded of the calls.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, get_args

from sqlalchemy import Connection, func, select

from tierwise_core.attribution import IdlePolicy
from tierwise_core.cost_report import DIMENSIONS, SHADOWS_GROUP, Dimension, Labels, Requests
from tierwise_core.decision_record import SHADOW
from tierwise_ledger.money.reports import Period, report, seen_until
from tierwise_ledger.seeing.buckets import HOUR_S, bucket_s, starts
from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.base import DAY_S, NANO
from tierwise_ledger.tables.outcomes import OUTCOME_DAYS, OUTCOME_HOURS

__all__ = ["BY", "IDLE", "cost_over_time"]

BY: Final = DIMENSIONS
IDLE: Final = get_args(IdlePolicy)
MOST_LINES: Final = 7
MOST_PIECES: Final = 30
OTHERS: Final = "(all others)"
TOGETHER: Final = "all together"


class _Sum(NamedTuple):
    """What a group took in one piece of time."""

    begin: int
    name: str
    nano_usd: int
    requests: int
    accepted: int


def cost_over_time(
    connection: Connection, span: Span, by: Dimension, policy: IdlePolicy = "holder"
) -> dict[str, Any]:
    """Give a line for each of the dearest groups: dollars, requests and accepted answers.

    ``policy`` says who pays for idle GPUs of the bill.
    """
    length_s = bucket_s(span.until - span.since, HOUR_S, MOST_PIECES)
    begins = starts(span.since, span.until, length_s)
    looked = seen_until(connection) is not None
    if looked:
        sums = list(_of_bill(connection, begins, length_s, (by, policy)))
    else:
        sums = list(_of_calls(connection, begins, length_s, by))
    return {
        "by": by,
        "money": "bill" if looked else "calls",
        "bucketSeconds": length_s,
        "begins": list(begins),
        "lines": _lines(sums, begins),
        "together": _line(TOGETHER, _by_begin(sums), begins),
    }


def _of_bill(
    connection: Connection,
    begins: Sequence[int],
    length_s: int,
    how: tuple[Dimension, IdlePolicy],
) -> Iterator[_Sum]:
    """Share the bill of each piece of time."""
    for begin in begins:
        found, _ = report(connection, Period(begin, begin + length_s), *how)
        for one in found.groups:
            yield _Sum(begin, one.name, one.nano_usd, one.requests, one.accepted)


def _of_calls(
    connection: Connection, begins: Sequence[int], length_s: int, by: Dimension
) -> Iterator[_Sum]:
    """Add up what was recorded of each piece of time: of whole days by the day."""
    whole_days = length_s % DAY_S == 0
    table = OUTCOME_DAYS.c if whole_days else OUTCOME_HOURS.c
    at = table.day if whole_days else table.hour
    begin = (at - at % length_s).label("begin")
    sums = ("requests", "cost_nano_usd", "feedback_yes", "feedback_no")
    query = (
        select(
            begin,
            table[by].label("name"),
            table.state,
            *(func.sum(table[name]).label(name) for name in sums),
        )
        .where(at >= begins[0], at < begins[-1] + length_s)
        .group_by(begin, table[by], table.state)
    )
    for row in connection.execute(query):
        said = int(row.feedback_yes), int(row.feedback_no)
        ended = Requests(Labels(), row.state, int(row.requests), 0, 0, *said)
        unseen = row.state == SHADOW and by != "tier"
        name = SHADOWS_GROUP if unseen else row.name
        yield _Sum(row.begin, name, int(row.cost_nano_usd), ended.requests, ended.accepted)


def _lines(sums: Sequence[_Sum], begins: Sequence[int]) -> list[dict[str, Any]]:
    """Put the dearest groups first, and all that are too many to be told apart in one line."""
    total: Counter[str] = Counter()
    for one in sums:
        total[one.name] += one.nano_usd
    order = sorted(total, key=lambda name: (-total[name], name))
    kept = order if len(order) <= MOST_LINES + 1 else order[:MOST_LINES]
    lines: dict[str, dict[int, list[_Sum]]] = {name: defaultdict(list) for name in kept}
    for one in sums:
        name = one.name if one.name in lines else OTHERS
        lines.setdefault(name, defaultdict(list))[one.begin].append(one)
    return [_line(name or "(none)", found, begins) for name, found in lines.items()]


def _by_begin(sums: Sequence[_Sum]) -> Mapping[int, list[_Sum]]:
    found: dict[int, list[_Sum]] = defaultdict(list)
    for one in sums:
        found[one.begin].append(one)
    return found


def _line(name: str, found: Mapping[int, list[_Sum]], begins: Sequence[int]) -> dict[str, Any]:
    pieces = [found.get(begin, []) for begin in begins]
    usd = [sum(one.nano_usd for one in piece) / NANO for piece in pieces]
    requests = [sum(one.requests for one in piece) for piece in pieces]
    accepted = [sum(one.accepted for one in piece) for piece in pieces]
    return {
        "name": name,
        "usd": usd,
        "requests": requests,
        "accepted": accepted,
        # Zero accepted answers have no price each.
        "usdPerAccepted": [
            cost / good if good else None for cost, good in zip(usd, accepted, strict=True)
        ],
        "total": {
            "usd": sum(usd),
            "requests": sum(requests),
            "accepted": sum(accepted),
            "usdPerAccepted": sum(usd) / sum(accepted) if any(accepted) else None,
        },
    }
