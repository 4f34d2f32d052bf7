"""``Rollout.status`` in its wire form, from everything a pass concluded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import sqrt
from typing import Any, Final

from tierwise_core.conditions import (
    FALSE,
    TRUE,
    Condition,
    Verdict,
    clip,
    merge,
    read_conditions,
    rfc3339,
)
from tierwise_core.kstatus import RECONCILING, STALLED, rollout_health
from tierwise_core.placement_report import without_nothing
from tierwise_core.rollout.evidence import Evidence
from tierwise_core.rollout.memory import remembered
from tierwise_core.rollout.order import Order
from tierwise_core.rollout.samples import SideSample
from tierwise_core.rollout.situation import Plan, Standing
from tierwise_core.rollout.stages import Stage

__all__ = ["Told", "outcome_of", "refused_status", "shown_percent", "status_of", "trajectory"]

POINTS: Final = 100
FIRST_POINTS: Final = 20
WORDS: Final = 1024
MESSAGE: Final = 4096
Z_95: Final = 1.96

_BACK: Final = frozenset({Stage.ROLLING_BACK, Stage.ROLLED_BACK, Stage.ABORTED})


@dataclass(frozen=True, slots=True)
class Told:
    """What a status tells beside the plan.

    ``percent`` is green's share as routers shall apply it, ``applied`` what they said they apply.
    ``reason`` is one word for what is waited for, empty where nothing is. ``kept`` are fields of
    the status as they are to stand, in their wire form: sides, forecast, sums, examinations.
    """

    percent: int = 0
    applied: int | None = None
    reason: str = ""
    kept: Mapping[str, Any] = field(default_factory=dict)


def shown_percent(standing: Standing, carries: int, initial: int, before: int) -> int:
    """Return green's share for the routers: never more than its ready pods can carry.

    One pod beside nine of blue's carries 11 %, whatever it has earned; the first share is for one
    pod anyway. After a promotion the share only grows, and in the end green has all.

    >>> shown_percent(Standing(Stage.SHIFTING, 80), carries=11, initial=5, before=5)
    11
    >>> shown_percent(Standing(Stage.PROMOTED, 100), carries=50, initial=5, before=80)
    80
    >>> shown_percent(Standing(Stage.COMPLETE, 100), carries=50, initial=5, before=80)
    100
    >>> shown_percent(Standing(Stage.ROLLING_BACK, 0), carries=50, initial=5, before=80)
    0
    """
    if standing.stage is Stage.COMPLETE or not standing.percent:
        return standing.percent
    least = before if standing.stage is Stage.PROMOTED else 0
    return min(standing.percent, max(carries, initial, least))


def status_of(order: Order, plan: Plan, told: Told, now: datetime) -> dict[str, Any]:
    """Return the status to publish after a pass."""
    standing = plan.standing
    status: dict[str, Any] = {
        "observedGeneration": order.generation,
        "conditions": _conditions(order, plan, told, now),
        "stage": standing.stage.value,
        "weights": {"blue": 100 - told.percent, "green": told.percent},
        "waitsFor": clip(plan.waits_for, MESSAGE) or None,
        "appliedPercent": told.applied,
        "windows": _windows(standing),
        "trajectory": trajectory(order, plan, told.percent, now),
        "trigger": _trigger(order),
        "verdict": _verdict(order, standing, now),
        "memory": json.dumps(remembered(standing), separators=(",", ":")),
        "utility": _utility(standing, order.status),
    }
    return without_nothing(status | dict(told.kept))


def refused_status(order: Order, reason: str, message: str, now: datetime) -> dict[str, Any]:
    """Return the last status with ``Ready`` turned to False: nothing else is concluded.

    For a Rollout that cannot be read, and for one that waits for another.
    """
    verdicts = [
        Verdict(STALLED if reason == "InvalidSpec" else RECONCILING, TRUE, reason, message),
        Verdict("Ready", FALSE, reason, message),
    ]
    kept = {name: value for name, value in order.status.items() if name != "conditions"}
    begun = {"stage": Stage.PENDING.value, "weights": {"blue": 100, "green": 0}}
    status = begun | kept | {"trigger": _trigger(order), "waitsFor": clip(message, MESSAGE)}
    status["observedGeneration"] = order.generation
    status["conditions"] = _merged(order, verdicts, now)
    return without_nothing(status)


def _conditions(order: Order, plan: Plan, told: Told, now: datetime) -> list[dict[str, Any]]:
    standing = plan.standing
    reason = told.reason or standing.reason
    verdicts = rollout_health(standing.stage, reason, standing.why, plan.waits_for)
    return _merged(order, verdicts, now)


def _merged(order: Order, verdicts: Iterable[Verdict], now: datetime) -> list[dict[str, Any]]:
    previous = read_conditions(order.status)
    merged: Sequence[Condition] = merge(previous, verdicts, order.generation, now)
    return [condition.to_json() for condition in merged]


def _trigger(order: Order) -> dict[str, str]:
    told = {"reason": order.trigger, "message": order.trigger_message}
    return {name: word for name, word in told.items() if word}


def outcome_of(standing: Standing) -> str:
    """Return how a rollout ended, or is about to; empty while that is open.

    >>> outcome_of(Standing(Stage.ROLLING_BACK, ends=Stage.ABORTED)), outcome_of(Standing())
    ('Aborted', '')
    """
    if standing.stage in {Stage.PROMOTED, Stage.COMPLETE}:
        return "Promoted"
    if standing.stage in _BACK:
        aborted = Stage.ABORTED in {standing.stage, standing.ends}
        return "Aborted" if aborted else "RolledBack"
    return "Inconclusive" if standing.stage is Stage.INCONCLUSIVE else ""


def _verdict(order: Order, standing: Standing, now: datetime) -> dict[str, Any]:
    """Tell the verdict; it keeps the evidence that decided, whatever comes after it."""
    outcome, known = outcome_of(standing), order.status.get("verdict") or {}
    if not outcome or known.get("outcome") == outcome:
        return dict(known) if outcome else {}
    moment = datetime.fromtimestamp(standing.since, UTC) if standing.since else now
    return {
        "outcome": outcome,
        "reason": standing.reason,
        "message": clip(standing.why, MESSAGE),
        "time": rfc3339(moment),
    }


def trajectory(order: Order, plan: Plan, percent: int, now: datetime) -> list[dict[str, Any]]:
    """Return the steps so far, with a new one where stage or share have changed.

    Of a long rollout the beginning and the last steps are kept.
    """
    before, standing = list(order.status.get("trajectory") or ()), plan.standing
    # A stage begins for its own reason; a share within it moves by what this look has found.
    why = standing.why if plan.transitions else plan.waits_for or standing.why
    point = {
        "time": rfc3339(now),
        "stage": standing.stage.value,
        "greenPercent": percent,
        "reason": clip(f"{standing.reason or standing.stage}: {why}".rstrip(": "), WORDS),
    }
    last = before[-1] if before else {}
    if all(last.get(name) == point[name] for name in ("stage", "greenPercent")):
        return before
    points = [*before, point]
    return (
        points
        if len(points) <= POINTS
        else [*points[:FIRST_POINTS], *points[FIRST_POINTS - POINTS :]]
    )


def _windows(standing: Standing) -> dict[str, Any]:
    evidence = standing.evidence
    blue, green = evidence.blue + evidence.waiting_blue, evidence.green + evidence.waiting_green
    green = green + standing.watch.green
    if not (blue.requests or green.requests or blue.judged or green.judged):
        return {}
    return {"blue": _side(blue, evidence), "green": _side(green, evidence)}


def _side(side: SideSample, evidence: Evidence) -> dict[str, Any]:
    told: dict[str, Any] = {"interactions": side.judged, "requests": side.requests}
    told["costUsd"] = round(side.cost_usd, 9)
    if (mean := side.mean) is not None:
        half = Z_95 * sqrt(evidence.known(side).variance / side.judged)
        told["utility"] = _rounded(min(1.0, max(0.0, mean)))
        told["utilityLow"], told["utilityHigh"] = _rounded(mean - half), _rounded(mean + half)
    for name, part, whole in (
        ("acceptedRate", side.accepted, side.verdicts),
        ("contradictionRate", side.contradictions, side.compared),
        ("escalationRate", side.escalations, side.requests),
    ):
        if whole:
            told[name] = _rounded(part / whole)
    return told


def _rounded(value: float) -> float:
    return round(value, 4)


def _utility(standing: Standing, before: Mapping[str, Any]) -> dict[str, Any]:
    """Tell what the next rollout is measured against: green's utility, once it has won."""
    if outcome_of(standing) != "Promoted":
        return {}
    evidence = standing.evidence
    green = evidence.green + evidence.waiting_green + standing.watch.green
    if (mean := green.mean) is None:
        return dict(before.get("utility") or {})
    since = datetime.fromtimestamp(standing.since, UTC)
    known = evidence.known(green)
    return {
        "base": _rounded(mean),
        "variance": round(known.variance, 6),
        "accepted": _rounded(green.accepted / green.verdicts) if green.verdicts else None,
        "answers": green.judged,
        "since": rfc3339(since),
    }
