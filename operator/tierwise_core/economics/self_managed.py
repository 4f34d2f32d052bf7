"""Own GPUs and an own team: from how many GPUs on, and when to give them back.

The team costs the same for 8 GPUs and for 80, so that what each GPU saves has to carry it:
``floor = team / ((managed - own) x hours)``. 002's floor of about 50 GPUs is a team of $72,000 a
month and $2 saved on each GPU-hour.

Its other figures do not follow from each other: $60,000 to $90,000 a month is no "30-50 %" of ten
GPUs' rent (it is three to four times that rent at $3), and $2.50 an hour at 1,000 tokens/s is $0.69
a million tokens, not $0.009.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from tierwise_core.economics.reading import Count, Days, Positive, Rate, Share, Usd

__all__ = [
    "Capability",
    "Operations",
    "SelfManagedCase",
    "SelfManagedReport",
    "Signal",
    "Team",
    "floor_gpus",
    "raw_usd_per_million_tokens",
    "self_managed",
]

Verdict = Literal["SelfManage", "ManagedDedicated", "Devolve"]
FIRED_TO_DEVOLVE: Final = 2
FLEETS: Final = (8, 10, 25, 50, 80, 100)


@dataclass(frozen=True, slots=True)
class Team:
    """The people; 002's floor is two to three, at $30,000 a month each."""

    ftes: Positive = 2.5
    usd_per_fte_month: Usd = 30_000.0

    @property
    def usd_per_month(self) -> float:
        """What they cost."""
        return self.ftes * self.usd_per_fte_month


@dataclass(frozen=True, slots=True)
class Capability:
    """What the team runs already, and whether the workload needs what only own GPUs allow."""

    can_operate: bool | None = None
    needs_control: bool | None = None
    clears_dedicated_gate: bool | None = None


@dataclass(frozen=True, slots=True)
class Operations:
    """How a running fleet is kept; None where nobody looked."""

    gpus_last_quarters: tuple[Count, ...] = ()
    on_call_engineers: Rate | None = None
    open_specialist_seat_quarters: Rate | None = None
    engine_majors_behind: Rate | None = None
    days_between_quality_reviews: Days | None = None


@dataclass(frozen=True, slots=True)
class SelfManagedCase:
    """Own GPUs against managed ones of the same kind.

    ``redundant_share`` are GPUs kept spare; ``other_usd_per_month`` is network, storage, tooling.
    """

    gpus: Count
    usd_per_gpu_hour: Positive
    managed_usd_per_gpu_hour: Positive
    team: Team = Team()
    redundant_share: Share = 0.0
    other_usd_per_month: Usd = 0.0
    hours_per_month: Positive = 720.0
    floor_gpus: Count = 50
    most_tax: Share = 0.3
    capability: Capability = Capability()
    operations: Operations = Operations()


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet of that size: its month owned and managed, and the team's share of GPU spend."""

    gpus: int
    own_usd_per_month: float
    managed_usd_per_month: float
    tax: float


@dataclass(frozen=True, slots=True)
class Signal:
    """One of the five signs that a fleet should be given back; ``fired`` None: nobody looked."""

    name: str
    fired: bool | None
    seen: str


@dataclass(frozen=True, slots=True)
class SelfManagedReport:
    """The floor, this fleet and others, the signals, and the verdict with its reasons."""

    team_usd_per_month: float
    floor_gpus: float
    fleet: Fleet
    fleets: tuple[Fleet, ...]
    signals: tuple[Signal, ...]
    verdict: Verdict
    reasons: tuple[str, ...]


def raw_usd_per_million_tokens(usd_per_gpu_hour: float, tokens_per_second: float) -> float:
    """Return what a million tokens cost if nothing but the GPU did.

    >>> round(raw_usd_per_million_tokens(2.50, 1000), 3)
    0.694
    """
    return usd_per_gpu_hour / (tokens_per_second * 3600) * 1_000_000


def floor_gpus(
    team_usd_per_month: float, saved_usd_per_gpu_hour: float, hours_per_month: float = 720.0
) -> float:
    """Return how many GPUs carry the team; infinite where a GPU of one's own saves nothing.

    >>> floor_gpus(72_000, 2.0)
    50.0
    """
    a_month = saved_usd_per_gpu_hour * hours_per_month
    return team_usd_per_month / a_month if a_month > 0 else math.inf


def self_managed(case: SelfManagedCase) -> SelfManagedReport:
    """Compare own GPUs with managed ones.

    002's eight H100 at $25,500 a month, with managed ones at $7 an hour:

    >>> report = self_managed(SelfManagedCase(8, 25_500 / 8 / 720, 7.0))
    >>> report.verdict, round(report.fleet.own_usd_per_month), round(report.fleet.tax, 2)
    ('ManagedDedicated', 100500, 2.94)
    >>> round(report.floor_gpus, 1)
    40.5
    """
    fixed = case.team.usd_per_month + case.other_usd_per_month
    own = case.usd_per_gpu_hour * (1 + case.redundant_share)
    floor = floor_gpus(fixed, case.managed_usd_per_gpu_hour - own, case.hours_per_month)
    fleet = _fleet(case, case.gpus)
    signals = _signals(case)
    verdict, reasons = _verdict(case, fleet, floor, signals)
    sizes = sorted({*FLEETS, case.gpus})
    return SelfManagedReport(
        team_usd_per_month=case.team.usd_per_month,
        floor_gpus=floor,
        fleet=fleet,
        fleets=tuple(_fleet(case, size) for size in sizes),
        signals=signals,
        verdict=verdict,
        reasons=reasons,
    )


def _fleet(case: SelfManagedCase, gpus: int) -> Fleet:
    hours = gpus * case.hours_per_month
    rent = hours * case.usd_per_gpu_hour * (1 + case.redundant_share)
    own = rent + case.team.usd_per_month + case.other_usd_per_month
    return Fleet(gpus, own, hours * case.managed_usd_per_gpu_hour, case.team.usd_per_month / rent)


def _signals(case: SelfManagedCase) -> tuple[Signal, ...]:
    seen = case.operations
    last = seen.gpus_last_quarters[-2:]
    small = len(last) == FIRED_TO_DEVOLVE and max(last) < case.floor_gpus if last else None
    return (
        Signal("small fleet", small, f"GPUs in the last quarters: {_list(last)}"),
        _signal("on-call below two", seen.on_call_engineers, lambda n: n < 2, "engineers on call"),  # noqa: PLR2004
        _signal("seat not filled", seen.open_specialist_seat_quarters, lambda n: n > 1,
                "quarters a specialist's seat is open"),
        _signal("engine two majors behind", seen.engine_majors_behind, lambda n: n >= 2,  # noqa: PLR2004
                "major versions behind"),
        _signal("quality seen weekly or less", seen.days_between_quality_reviews,
                lambda n: n >= 7, "days between quality reviews"),  # noqa: PLR2004
    )  # fmt: skip


def _signal(name: str, value: float | None, fires: Callable[[float], bool], what: str) -> Signal:
    if value is None:
        return Signal(name, None, f"{what}: not told")
    return Signal(name, fires(value), f"{what}: {value:g}")


def _list(values: tuple[int, ...]) -> str:
    return ", ".join(str(value) for value in values) or "not told"


def _verdict(
    case: SelfManagedCase, fleet: Fleet, floor: float, signals: tuple[Signal, ...]
) -> tuple[Verdict, tuple[str, ...]]:
    fired = [one.name for one in signals if one.fired]
    if len(fired) >= FIRED_TO_DEVOLVE:
        words = (
            f"{len(fired)} signals fired ({', '.join(fired)}): hold it against the dedicated gate"
        )
        return "Devolve", (words,)
    against = _against(case, fleet, floor)
    if against:
        return "ManagedDedicated", against
    saved = fleet.managed_usd_per_month - fleet.own_usd_per_month
    return "SelfManage", (f"it saves {saved:,.0f} USD a month, team included",)


def _against(case: SelfManagedCase, fleet: Fleet, floor: float) -> tuple[str, ...]:
    able = case.capability
    told = [
        (
            fleet.gpus < floor,
            f"{fleet.gpus} GPUs do not carry the team: from {floor:.0f} on they would"
            if math.isfinite(floor)
            else "an own GPU-hour costs as much or more, team aside",
        ),
        (fleet.gpus < case.floor_gpus, f"under {case.floor_gpus} GPUs (floorGPUs) it rarely does"),
        (
            fleet.tax > case.most_tax,
            f"the team is {fleet.tax:.0%} of the GPUs' rent, over {case.most_tax:.0%} (mostTax)",
        ),
        (able.can_operate is False, "the team cannot run it yet (capability.canOperate)"),
        (
            able.clears_dedicated_gate is False,
            "managed dedicated does not pay either (capability.clearsDedicatedGate)",
        ),
        (
            able.needs_control is False and fleet.gpus < floor,
            "nothing here needs own GPUs' control (capability.needsControl)",
        ),
    ]
    return tuple(words for so, words in told if so)
