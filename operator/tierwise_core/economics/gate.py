"""The dedicated utilization gate: own replicas, somebody else's tokens, or some of both.

002 says that the gate of its example falls to 35 % at $2.95 an hour and rises to 45 % at $4.30. By
its own formula, with its own $0.50 of operations, it is 35.9 % and 50.0 %. The formula stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tierwise_core.economics.break_even import (
    SECONDS_PER_HOUR,
    Offer,
    Split,
    Way,
    cheapest_split,
    required_utilization,
)
from tierwise_core.economics.reading import Count, Positive, Rate, Share, Usd
from tierwise_core.errors import EconomicsError

__all__ = ["Dedicated", "GateCase", "GateReport", "Pattern", "gate"]

HOURS_PER_DAY: Final = 24
HOURS_PER_WEEK: Final = 168


@dataclass(frozen=True, slots=True)
class Dedicated:
    """Own replicas: ``accepted_per_hour`` is one replica's goodput within the service level."""

    usd_per_hour: Positive
    accepted_per_hour: Positive
    min_replicas: Count = 1
    ops_usd_per_hour: Usd = 0.0
    cold_start_seconds: Rate | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """How the load goes through the day.

    Either ``hours``: the load of each hour of a day (24) or a week (168) in accepted answers, or
    ``utilization`` of one replica for ``active_hours_per_day`` and ``idle_utilization`` else.
    """

    name: str
    active_hours_per_day: Count | None = None
    utilization: Rate | None = None
    idle_utilization: Rate = 0.0
    hours: tuple[Rate, ...] = ()
    spike_seconds: Rate | None = None

    def __post_init__(self) -> None:
        """Hold it to one of the two ways."""
        if self.hours:
            if len(self.hours) not in {HOURS_PER_DAY, HOURS_PER_WEEK}:
                raise EconomicsError(
                    f"hours has {len(self.hours)} values; give {HOURS_PER_DAY} or {HOURS_PER_WEEK}"
                )
        elif self.active_hours_per_day is None or self.utilization is None:
            raise EconomicsError("hours is missing; give it, or activeHoursPerDay and utilization")
        elif self.active_hours_per_day > HOURS_PER_DAY:
            raise EconomicsError(
                f"activeHoursPerDay is {self.active_hours_per_day}; give at most {HOURS_PER_DAY}"
            )

    def loads(self, accepted_per_hour: float) -> tuple[float, ...]:
        """Give the load of each hour in accepted answers.

        >>> Pattern("day", 10, 0.7).loads(800)[9:11]
        (560.0, 0.0)
        """
        if self.hours:
            return self.hours
        active = self.active_hours_per_day or 0
        busy = [(self.utilization or 0.0) * accepted_per_hour] * active
        idle = [self.idle_utilization * accepted_per_hour] * (HOURS_PER_DAY - active)
        return tuple(busy + idle)


@dataclass(frozen=True, slots=True)
class GateCase:
    """What is compared: a price for each accepted answer, own replicas, and loads.

    ``other_usd_per_hour`` are further prices of the same hardware to compute the gate for.
    """

    serverless_usd_per_accepted: Positive
    dedicated: Dedicated
    patterns: tuple[Pattern, ...] = ()
    other_usd_per_hour: tuple[Positive, ...] = ()
    hours_per_month: Positive = 720.0
    high_utilization: Share = 0.8


@dataclass(frozen=True, slots=True)
class GateRow:
    """One load: what each way costs a month; utilization is of the replicas it would have."""

    name: str
    accepted_per_month: float
    average_utilization: float
    trough_utilization: float
    peak_utilization: float
    dedicated_replicas: int
    dedicated_usd_per_month: float
    serverless_usd_per_month: float
    hybrid_usd_per_month: float
    hybrid_base_replicas: int
    cheapest: Way
    dedicated_extra: float
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GateReport:
    """The gate, the gate at other prices (price, share), and each load's comparison."""

    required_utilization: float
    dedicated_usd_per_month: float
    at_other_prices: tuple[tuple[float, float], ...]
    rows: tuple[GateRow, ...]
    notes: tuple[str, ...]


def gate(case: GateCase) -> GateReport:
    """Compute the gate and hold each load against it.

    >>> case = GateCase(0.012, Dedicated(3.20, 800, ops_usd_per_hour=0.50),
    ...                 (Pattern("24/7", 24, 0.6), Pattern("10 h", 10, 0.7)), (2.95, 4.30))
    >>> report = gate(case)
    >>> round(report.required_utilization, 3), round(report.dedicated_usd_per_month, 6)
    (0.385, 2664.0)
    >>> [(usd, round(share, 3)) for usd, share in report.at_other_prices]
    [(2.95, 0.359), (4.3, 0.5)]
    >>> [(row.accepted_per_month, row.cheapest) for row in report.rows]
    [(345600.0, 'Dedicated'), (168000.0, 'Serverless')]
    """
    own = case.dedicated
    required = _required(case, own.usd_per_hour)
    fixed = own.usd_per_hour * own.min_replicas + own.ops_usd_per_hour
    others = tuple((usd, _required(case, usd)) for usd in case.other_usd_per_hour)
    never = ("no utilization pays for it: the gate is above 100 %",) if required > 1 else ()
    rows = tuple(_row(case, pattern, required) for pattern in case.patterns)
    return GateReport(required, fixed * case.hours_per_month, others, rows, never)


def _required(case: GateCase, usd_per_hour: float) -> float:
    own = case.dedicated
    return required_utilization(
        usd_per_hour,
        own.accepted_per_hour,
        case.serverless_usd_per_accepted,
        replicas=own.min_replicas,
        ops_usd_per_hour=own.ops_usd_per_hour,
    )


def _row(case: GateCase, pattern: Pattern, required: float) -> GateRow:
    own, month = case.dedicated, case.hours_per_month
    loads = pattern.loads(own.accepted_per_hour)
    split = _split(case, loads)
    fixed = split.dedicated_usd_per_hour - own.ops_usd_per_hour
    capacity = round(fixed / own.usd_per_hour) * own.accepted_per_hour
    average = sum(loads) / len(loads)
    serverless = split.serverless_usd_per_hour
    return GateRow(
        name=pattern.name,
        accepted_per_month=round(average * month, 6),
        average_utilization=average / capacity,
        trough_utilization=min(loads) / capacity,
        peak_utilization=max(loads) / capacity,
        dedicated_replicas=round(fixed / own.usd_per_hour),
        dedicated_usd_per_month=split.dedicated_usd_per_hour * month,
        serverless_usd_per_month=serverless * month,
        hybrid_usd_per_month=split.hybrid_usd_per_hour * month,
        hybrid_base_replicas=split.base_replicas,
        cheapest=split.cheapest,
        dedicated_extra=split.dedicated_usd_per_hour / serverless - 1 if serverless else 0.0,
        notes=_notes(case, pattern, (min(loads) / capacity, max(loads) / capacity), required),
    )


def _split(case: GateCase, loads: tuple[float, ...]) -> Split:
    own = case.dedicated
    offer = Offer(
        outputs_per_second=own.accepted_per_hour / SECONDS_PER_HOUR,
        replica_usd_per_hour=own.usd_per_hour,
        serverless_usd_per_output=case.serverless_usd_per_accepted,
        least=own.min_replicas,
        ops_usd_per_hour=own.ops_usd_per_hour,
    )
    return cheapest_split([load / SECONDS_PER_HOUR for load in loads], offer)


def _notes(
    case: GateCase, pattern: Pattern, ends: tuple[float, float], required: float
) -> tuple[str, ...]:
    trough, peak = ends
    cold, spike = case.dedicated.cold_start_seconds, pattern.spike_seconds
    told = [
        (
            trough < required,
            f"the quietest hour uses {trough:.0%}, under the gate's {required:.1%}",
        ),
        (
            peak > case.high_utilization,
            f"the busiest hour uses {peak:.0%}; p99 suffers above {case.high_utilization:.0%}",
        ),
        (
            cold is not None and spike is not None and cold > spike,
            (
                f"a cold start takes {cold or 0:g} s and a spike {spike or 0:g} s: capacity "
                "would come too late, so keep it warm"
            ),
        ),
    ]
    return tuple(words for so, words in told if so)
