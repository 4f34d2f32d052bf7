"""To migrate or to stay: when does a move pay for itself, and is that known well enough?

002's support desk saves (0.041 - 0.031) x 500,000 = $5,000 a month for $11,000: 2.2 months. The
same chapter calls the saving "about 22 %"; of $0.041 it is 24.4 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tierwise_core.economics.break_even import payback_months
from tierwise_core.economics.reading import Evidence, Positive, Rate, Usd

__all__ = ["GATES", "PaybackCase", "PaybackReport", "Route", "Sensitivity", "payback"]

Verdict = Literal["Migrate", "MeasureFirst", "DoNothing"]
Gate = Literal[
    "evalSet",
    "qualityFloor",
    "measuredCost",
    "compliance",
    "operations",
    "rollback",
    "trafficRamp",
]
GATES: Final[Mapping[Gate, str]] = {
    "evalSet": "a production-representative eval set exists",
    "qualityFloor": "the candidate meets the quality floor",
    "measuredCost": "its LCPR is measured, not estimated",
    "compliance": "residency, rights and contracts are cleared",
    "operations": "runbook, alerts and on-call cover it",
    "rollback": "going back was tested",
    "trafficRamp": "the ramp has stages with stop criteria",
}
"""002's seven preconditions of a migration; a missing one is a risk to be accepted by name."""


@dataclass(frozen=True, slots=True)
class Route:
    """What an accepted output costs there, and how that is known."""

    usd_per_accepted: Usd
    evidence: Evidence = "estimated"


@dataclass(frozen=True, slots=True)
class PaybackCase:
    """A move from one route to another.

    ``migration_usd`` names what it takes once. Savings grow evenly over ``ramp_months``.
    ``gates`` says which of the seven preconditions hold; those left out count as unknown.
    """

    current: Route
    target: Route
    accepted_per_month: Positive
    migration_usd: Mapping[str, Usd]
    horizon_months: Positive = 12.0
    ramp_months: Rate = 0.0
    gates: Mapping[Gate, bool] = field(default_factory=dict)
    small_usd_per_month: Usd = 5000.0
    uncertain_months: Positive = 6.0
    engineering_factors: tuple[Positive, ...] = (0.5, 1.0, 1.5, 2.0)
    saving_factors: tuple[Positive, ...] = (0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The months to pay back if the work costs and the saving comes out that many times so."""

    engineering_factor: float
    saving_factor: float
    months: float


@dataclass(frozen=True, slots=True)
class PaybackReport:
    """The figures, the verdict and its reasons; months are infinite where nothing is saved."""

    migration_usd: float
    saved_usd_per_month: float
    saved_share: float
    months: float
    months_with_ramp: float
    saved_by_horizon_usd: float
    least_accepted_per_month: float
    verdict: Verdict
    reasons: tuple[str, ...]
    gates_missing: tuple[str, ...]
    sensitivity: tuple[Sensitivity, ...]


def payback(case: PaybackCase) -> PaybackReport:
    """Compare staying with moving.

    >>> measured = Route(0.041, "measured"), Route(0.031, "measured")
    >>> case = PaybackCase(*measured, 500_000, {"prompts": 11_000}, ramp_months=1)
    >>> report = payback(case)
    >>> report.months, round(report.months_with_ramp, 1), report.verdict
    (2.2, 2.7, 'Migrate')
    >>> round(report.saved_share, 3)
    0.244
    """
    cost = sum(case.migration_usd.values())
    gap = case.current.usd_per_accepted - case.target.usd_per_accepted
    saved = gap * case.accepted_per_month
    months = payback_months(
        cost, case.current.usd_per_accepted, case.target.usd_per_accepted, case.accepted_per_month
    )
    ramped = months_with_ramp(cost, saved, case.ramp_months)
    verdict, reasons = _verdict(case, saved, ramped)
    within = saved * max(0.0, case.horizon_months - case.ramp_months / 2)
    return PaybackReport(
        migration_usd=cost,
        saved_usd_per_month=round(saved, 6),
        saved_share=gap / case.current.usd_per_accepted if case.current.usd_per_accepted else 0.0,
        months=months,
        months_with_ramp=ramped,
        saved_by_horizon_usd=round(within - cost, 6),
        least_accepted_per_month=cost / (gap * case.horizon_months) if gap > 0 else math.inf,
        verdict=verdict,
        reasons=reasons,
        gates_missing=tuple(words for name, words in GATES.items() if not case.gates.get(name)),
        sensitivity=_sensitivity(case, cost, saved),
    )


def months_with_ramp(migration_usd: float, saved_usd_per_month: float, ramp_months: float) -> float:
    """Return the months to pay back when savings grow evenly to their full size over the ramp.

    A ramp loses half of its savings; before its end the triangle below it counts.

    >>> months_with_ramp(11_000, 5_000, 1.0), months_with_ramp(1_000, 4_000, 2.0)
    (2.7, 1.0)
    """
    if saved_usd_per_month <= 0:
        return math.inf
    of_ramp = saved_usd_per_month * ramp_months / 2
    if migration_usd < of_ramp:
        return math.sqrt(2 * migration_usd * ramp_months / saved_usd_per_month)
    return round(ramp_months / 2 + migration_usd / saved_usd_per_month, 9)


def _verdict(case: PaybackCase, saved: float, months: float) -> tuple[Verdict, tuple[str, ...]]:
    """Decide by 002's conditions of staying; the first kind that holds is the verdict."""
    against = _against(case, saved, months)
    if against:
        return "DoNothing", against
    unknown = _unknown(case, months)
    if unknown:
        return "MeasureFirst", unknown
    words = f"it pays back in {months:.1f} of {case.horizon_months:g} months, on measured figures"
    return "Migrate", (words,)


def _against(case: PaybackCase, saved: float, months: float) -> tuple[str, ...]:
    spend = case.current.usd_per_accepted * case.accepted_per_month
    told = [
        (saved <= 0, "the target costs as much or more for each accepted output"),
        (
            saved > 0 and months > case.horizon_months,
            f"it pays back in {months:.1f} months, after the horizon of {case.horizon_months:g}",
        ),
        (
            spend < case.small_usd_per_month,
            (
                f"the workload costs {spend:,.0f} USD a month, "
                f"under {case.small_usd_per_month:,.0f}: shorten prompts and cache first"
            ),
        ),
        (
            case.gates.get("compliance") is False,
            "the target is not cleared (gates.compliance): no price makes up for that",
        ),
        (
            case.gates.get("evalSet") is False,
            "there is no eval set (gates.evalSet): build it first, a move without it is blind",
        ),
    ]
    return tuple(words for so, words in told if so)


def _unknown(case: PaybackCase, months: float) -> tuple[str, ...]:
    sides = (("current", case.current), ("target", case.target))
    told = [
        f"{name}.usdPerAccepted is estimated: measure it on a share of the traffic"
        for name, route in sides
        if route.evidence == "estimated"
    ]
    if told and months > case.uncertain_months:
        told.append(
            f"{months:.1f} months on estimates is over {case.uncertain_months:g}: stay meanwhile"
        )
    return tuple(told)


def _sensitivity(case: PaybackCase, cost: float, saved: float) -> tuple[Sensitivity, ...]:
    return tuple(
        Sensitivity(work, share, months_with_ramp(cost * work, saved * share, case.ramp_months))
        for work in case.engineering_factors
        for share in case.saving_factors
    )
