"""What a ledger's sums say of a case: the fields of a YAML file, measured.

Each function gives fields as a file would have them; what the file itself says comes before it. A
month has 30 days, and volumes of another time are scaled to one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tierwise_core.cost_report import Labels, Requests
from tierwise_core.errors import EconomicsError

__all__ = ["accepted_of", "cost_fields", "load_fields", "matrix_fields", "traffic_fields"]

MONTH_S: Final = 30 * 86_400.0
HOUR_S: Final = 3600
DAY_HOURS: Final = 24
A_MINUTE_S: Final = 60.0
A_DAY_S: Final = 86_400.0

Sums = Mapping[str, Any]


def accepted_of(row: Sums) -> int:
    """Count the accepted answers of a row of sums, as bills count them.

    >>> accepted_of({"state": "accepted", "requests": 10, "feedback_yes": 1, "feedback_no": 2})
    8
    """
    said = int(row["feedback_yes"]), int(row["feedback_no"])
    return Requests(Labels(), row["state"], int(row["requests"]), 0, 0, *said).accepted


def cost_fields(usd: float, accepted: int, seconds: float, evidence: str) -> dict[str, Any]:
    """Say what an accepted output costs now, and how many a month there are.

    A week with $70 and 7,000 accepted:

    >>> cost_fields(70.0, 7000, 7 * 86_400.0, "measured")
    {'usdPerAccepted': 0.01, 'evidence': 'measured', 'acceptedPerMonth': 30000.0}

    Raises EconomicsError where nothing was accepted: there is no price then.
    """
    if not accepted:
        raise EconomicsError(
            "the ledger has no accepted answer in this time; choose a longer one with --since, or "
            "give usdPerAccepted and acceptedPerMonth in the file"
        )
    return {
        "usdPerAccepted": usd / accepted,
        "evidence": evidence,
        "acceptedPerMonth": accepted * MONTH_S / seconds,
    }


def load_fields(rows: Iterable[Sums], since: float, until: float, name: str) -> dict[str, Any]:
    """Give the accepted answers of each hour of the day, averaged over the days; hours of UTC.

    Two days with 10 and 30 at noon:

    >>> def at(hour, count):
    ...     return {"hour": hour * 3600, "state": "accepted", "requests": count,
    ...             "feedback_yes": 0, "feedback_no": 0}
    >>> said = load_fields([at(12, 10), at(36, 30)], 0.0, 2 * 86_400.0, "all")
    >>> said["patterns"][0]["hours"][11:14]
    [0.0, 20.0, 0.0]
    """
    days = max(1.0, (until - since) / A_DAY_S)
    hours = [0.0] * DAY_HOURS
    for row in rows:
        hours[int(row["hour"]) // HOUR_S % DAY_HOURS] += accepted_of(row) / days
    return {"patterns": [{"name": name, "hours": hours}]}


def matrix_fields(rows: Iterable[Sums], by: str, seconds: float) -> dict[str, Any]:
    """Lay workloads over the tiers that answered them; each is now where most of it was answered.

    What an escalated request spent before belongs to the tier that answered it in the end.

    >>> def row(tier, state, count, usd):
    ...     return {"field": "sorting", "tier": tier, "state": state, "requests": count,
    ...             "cost_usd": usd, "feedback_yes": 0, "feedback_no": 0}
    >>> said = matrix_fields([row("4090", "accepted", 90, 0.9), row("h100", "escalated", 10, 0.5)],
    ...                      "field", 30 * 86_400.0)
    >>> said["workloads"][0]["cells"]["h100"], said["workloads"][0]["current"]
    ({'usdPerAccepted': 0.05, 'evidence': 'measured'}, '4090')
    """
    usd: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    accepted: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        name, tier = str(row[by] or "(none)"), str(row["tier"] or "(elsewhere)")
        usd[name][tier] += float(row["cost_usd"])
        accepted[name][tier] += accepted_of(row)
    workloads = [_workload(name, usd[name], accepted[name], seconds) for name in sorted(usd)]
    workloads = [one for one in workloads if one["cells"]]
    routes = sorted({tier for one in workloads for tier in one["cells"]})
    if not routes:
        raise EconomicsError(
            "the ledger has no accepted answer in this time; choose a longer one with --since"
        )
    return {"routes": routes, "baseline": routes[0], "workloads": workloads}


def _workload(
    name: str, usd: Mapping[str, float], accepted: Mapping[str, int], seconds: float
) -> dict[str, Any]:
    answered = {tier: count for tier, count in accepted.items() if count}
    return {
        "name": name,
        "acceptedPerMonth": sum(answered.values()) * MONTH_S / seconds,
        "current": max(sorted(answered), key=lambda tier: answered[tier], default=None),
        "cells": {
            tier: {"usdPerAccepted": usd[tier] / count, "evidence": "measured"}
            for tier, count in answered.items()
        },
    }


def traffic_fields(rows: Sequence[Sums], seconds: float) -> dict[str, Any]:
    """Say of each kind of requests how long it could wait, by how it is asked.

    Who streams reads along and waits for nothing. Of the others, one of a session is a step of
    something that goes on (a minute), one without is nobody's in particular (a day): an estimate,
    until a file's ``toleratesSeconds`` says it by name.

    >>> row = {"workload": "nightly", "latency_class": "realtime", "stream": False,
    ...        "in_session": False, "requests": 300, "usd": 3.0}
    >>> (one,) = traffic_fields([row], 30 * 86_400.0)["traffic"]
    >>> one["name"], one["toleratesSeconds"], one["evidence"]
    ('nightly, single', 86400.0, 'estimated')
    """
    if not rows:
        raise EconomicsError(
            "the ledger has no request in this time; choose a longer one with --since"
        )
    return {"traffic": [_traffic(row, seconds) for row in rows]}


def _traffic(row: Sums, seconds: float) -> dict[str, Any]:
    how = "streamed" if row["stream"] else "in sessions" if row["in_session"] else "single"
    guess = 0.0 if row["stream"] else A_MINUTE_S if row["in_session"] else A_DAY_S
    return {
        "name": f"{row['workload']}, {how}",
        "requestsPerMonth": row["requests"] * MONTH_S / seconds,
        "usdPerRequest": row["usd"] / row["requests"],
        "toleratesSeconds": guess,
        "served": row["latency_class"],
        "evidence": "measured" if row["stream"] else "estimated",
    }
