"""Who waits for the answer, how long, and what it saves to serve those who can wait otherwise.

A request streams to a person (realtime), is one step of a program (async, under a minute), can take
a day (batch, 50 % off at most providers in May 2026), or runs when there is room (background).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tierwise_core.economics.reading import Evidence, Rate, Share, Usd
from tierwise_core.errors import EconomicsError
from tierwise_core.latency_class import LATENCY_CLASSES, LatencyClass

__all__ = ["LatencyCase", "LatencyReport", "Tier", "Traffic", "latency_tiers"]

DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Tier:
    """One latency tier: who can wait ``waits_seconds`` may use it, at ``discount`` off."""

    waits_seconds: Rate
    discount: Share = 0.0


def _default_tiers() -> Mapping[LatencyClass, Tier]:
    return {
        "realtime": Tier(0.0),
        "async": Tier(60.0),
        "batch": Tier(DAY_SECONDS, 0.5),
        "background": Tier(7 * DAY_SECONDS, 0.5),
    }


@dataclass(frozen=True, slots=True)
class Traffic:
    """A kind of requests, how long it can wait for its answers, and where it is served now.

    ``checkpoint_usd`` is what keeping its state costs for each request once it is off realtime.
    """

    name: str
    requests_per_month: Rate
    usd_per_request: Usd
    tolerates_seconds: Rate
    served: LatencyClass = "realtime"
    checkpoint_usd: Usd = 0.0
    evidence: Evidence = "estimated"


@dataclass(frozen=True, slots=True)
class LatencyCase:
    """All traffic, and the tiers where they differ from the usual ones.

    ``tolerates_seconds`` comes before what each kind of traffic says itself, by its name.
    """

    traffic: tuple[Traffic, ...]
    tiers: Mapping[LatencyClass, Tier] = field(default_factory=_default_tiers)
    tolerates_seconds: Mapping[str, Rate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Hold it to tiers that exist: realtime always does."""
        if "realtime" not in self.tiers:
            raise EconomicsError("tiers.realtime is missing; give waitsSeconds: 0")
        names = {one.name for one in self.traffic}
        for name in self.tolerates_seconds:
            if name not in names:
                raise EconomicsError(
                    f"toleratesSeconds.{name} is of no traffic; give one of {', '.join(names)}"
                )
        for at, one in enumerate(self.traffic):
            if one.served not in self.tiers:
                raise EconomicsError(
                    f"traffic[{at}].served is {one.served!r}; give one of {', '.join(self.tiers)}"
                )


@dataclass(frozen=True, slots=True)
class TierRow:
    """One kind of requests: the tier it would tolerate, and what moving it there changes."""

    name: str
    served: LatencyClass
    tolerates: LatencyClass
    requests_per_month: float
    usd_per_month: float
    usd_per_month_there: float
    saved_usd_per_month: float
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class LatencyReport:
    """Shares of requests by the tier they tolerate, and what using those tiers saves."""

    shares: Mapping[str, float]
    usd_per_month: float
    saved_usd_per_month: float
    saved_share: float
    movable_share: float
    rows: tuple[TierRow, ...]
    notes: tuple[str, ...]


def latency_tiers(case: LatencyCase) -> LatencyReport:
    """Say which share of the traffic could wait, and what that saves.

    A coding agent of 40 calls a task: planning is watched, 70 % of the money is spent on steps that
    nobody watches, at half the price the task costs 35 % less.

    >>> report = latency_tiers(LatencyCase((
    ...     Traffic("planning", 12, 0.025, 0), Traffic("tests and repairs", 28, 0.025, 86_400))))
    >>> report.shares["batch"], round(report.saved_share, 2)
    (0.7, 0.35)
    """
    rows = tuple(_row(case, _said(case, one)) for one in case.traffic)
    requests = sum(row.requests_per_month for row in rows)
    usd = sum(row.usd_per_month for row in rows)
    saved = sum(row.saved_usd_per_month for row in rows)
    moved = sum(row.requests_per_month for row in rows if row.tolerates != row.served)
    return LatencyReport(
        shares={name: _share(_of(rows, name), requests) for name in LATENCY_CLASSES},
        usd_per_month=usd,
        saved_usd_per_month=saved,
        saved_share=_share(saved, usd),
        movable_share=_share(moved, requests),
        rows=rows,
        notes=_notes(case, rows),
    )


def _of(rows: tuple[TierRow, ...], name: str) -> float:
    return sum(row.requests_per_month for row in rows if row.tolerates == name)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _said(case: LatencyCase, one: Traffic) -> Traffic:
    """Take what was said of it by name, which is no guess."""
    seconds = case.tolerates_seconds.get(one.name)
    if seconds is None:
        return one
    return replace(one, tolerates_seconds=seconds, evidence="measured")


def _row(case: LatencyCase, one: Traffic) -> TierRow:
    """Move it to the cheapest tier it tolerates; of two as cheap it stays, or takes the faster."""
    full = one.usd_per_request / max(1e-9, 1.0 - case.tiers[one.served].discount)

    def usd(name: LatencyClass) -> float:
        kept = one.checkpoint_usd if name not in {"realtime", one.served} else 0.0
        return full * (1.0 - case.tiers[name].discount) + kept

    open_to = [
        name
        for name in LATENCY_CLASSES
        if name == one.served
        or (name in case.tiers and one.tolerates_seconds >= case.tiers[name].waits_seconds)
    ]
    best = min(
        open_to, key=lambda name: (round(usd(name), 12), name == "realtime", name != one.served)
    )
    now, there = one.requests_per_month * one.usd_per_request, usd(best)
    return TierRow(
        name=one.name,
        served=one.served,
        tolerates=best,
        requests_per_month=one.requests_per_month,
        usd_per_month=now,
        usd_per_month_there=one.requests_per_month * there,
        saved_usd_per_month=max(0.0, now - one.requests_per_month * there),
        evidence=one.evidence,
    )


def _notes(case: LatencyCase, rows: tuple[TierRow, ...]) -> tuple[str, ...]:
    waits = [
        f"{one.name}: checkpoints cost more than the wait saves; leave it in {row.served}"
        for one, row in zip(case.traffic, rows, strict=True)
        if one.checkpoint_usd
        and row.served == row.tolerates
        and one.tolerates_seconds >= DAY_SECONDS
    ]
    guessed = [row.name for row in rows if row.evidence == "estimated" and row.saved_usd_per_month]
    if guessed:
        waits.append(f"estimated, ask who waits for it: {', '.join(guessed)}")
    return tuple(waits)
