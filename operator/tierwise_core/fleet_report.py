"""A plan put into figures: what goes where, what it costs, what is left over.

Made from the very plan the operator acts on; only prices of tokens are added. The comparison with a
fleet that has nothing but its most capable model answers what the specialists are for: the same
tokens a second, made by replicas of that one model::

    replicas = ceil(tokens a second of all Specialists / tokens a second of one frontier replica)

With the design's figures, 8 replicas of 7B at 800 tokens a second on RTX 4090 at $0.40, against 70B
at 2,000 on two H100 at $3:

>>> frontier = all_frontier("ns/frontier", "h100", 2, 3.0, Speed(2000.0), needed=8 * 800.0)
>>> frontier.replicas, frontier.gpus, frontier.usd_per_hour, round(frontier.usd_per_1k_tokens, 6)
(4, 8, 24.0, 0.001042)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType
from typing import Final

from tierwise_core.cost import usd_per_1k_tokens
from tierwise_core.fleet import GPUTier
from tierwise_core.fleet_plan import Fleet, FleetPlan, FleetVerdict
from tierwise_core.placement import Assignment, Rejection
from tierwise_core.placement_why import why_there
from tierwise_core.replica_speed import Speed, replica_speed, weights_of
from tierwise_core.route_table import GENERAL_FIELD
from tierwise_core.specialist import Specialist
from tierwise_core.tier_usage import TierUsage, tier_usage

__all__ = ["AllFrontier", "FleetReport", "Placed", "Unplaced", "all_frontier", "report"]

NO_PRICES: Final[Mapping[str, float]] = MappingProxyType({})
SECONDS_PER_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Placed:
    """A Specialist that has a place.

    Attributes:
        key: ``namespace/name``.
        wanted: the replicas it asked for.
        assignment: the solver's word.
        why: the choice in one line.
        sized: what its size rests on, in words.
        speeds: of one replica of each share, in the shares' order; ``None`` where nothing tells.
        rejections: every tier it does not go to, in numbers.
    """

    key: str
    wanted: int
    assignment: Assignment
    why: str
    sized: str
    speeds: tuple[Speed | None, ...]
    rejections: tuple[Rejection, ...] = ()

    @property
    def tokens_per_second(self) -> float | None:
        """All its replicas together, or None if that is not known for each share."""
        total = 0.0
        for share, speed in zip(self.assignment.shares, self.speeds, strict=True):
            if speed is None:
                return None
            total += share.replicas * speed.tokens_per_second
        return total

    @property
    def usd_per_1k_tokens(self) -> float | None:
        """What a thousand of its tokens cost when every replica is busy."""
        speed = self.tokens_per_second
        return usd_per_1k_tokens(1, self.assignment.usd_per_hour, speed) if speed else None

    @property
    def measured(self) -> bool:
        """Whether every speed was measured."""
        return all(speed is not None and speed.measured for speed in self.speeds)


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A Specialist, or some of its replicas, without a place: the condition's reason and words."""

    key: str
    reason: str
    message: str
    replicas: int
    rejections: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class AllFrontier:
    """The same load on the most capable model alone; a provider's has no replicas and no GPUs."""

    key: str
    tier: str
    replicas: int
    gpus: int
    usd_per_hour: float
    usd_per_1k_tokens: float


@dataclass(frozen=True, slots=True)
class FleetReport:
    """The whole plan in figures; ``external`` and ``asleep`` are keys that take no GPU now."""

    placed: tuple[Placed, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()
    external: tuple[str, ...] = ()
    tiers: tuple[TierUsage, ...] = ()
    frontier: AllFrontier | None = None
    problems: tuple[str, ...] = ()

    @property
    def usd_per_hour(self) -> float:
        """All that is placed."""
        return sum(placed.assignment.usd_per_hour for placed in self.placed)

    @property
    def tokens_per_second(self) -> float:
        """All that is placed and whose speed is known."""
        return sum(placed.tokens_per_second or 0.0 for placed in self.placed)

    @property
    def usd_per_1k_tokens(self) -> float | None:
        """The mean over everything whose speed is known."""
        known = [placed for placed in self.placed if placed.tokens_per_second]
        usd = sum(placed.assignment.usd_per_hour for placed in known)
        speed = self.tokens_per_second
        return usd_per_1k_tokens(1, usd, speed) if speed else None


def report(
    fleet: Fleet,
    plan: FleetPlan,
    bandwidths: Mapping[str, float],
    provider_prices: Mapping[str, float] = NO_PRICES,
) -> FleetReport:
    """Put a plan into figures.

    Args:
        fleet: what was planned.
        plan: its plan.
        bandwidths: GB/s of one GPU, by tier.
        provider_prices: USD for 1000 generated tokens, by external Specialist.
    """
    verdicts = {key: plan.verdict(key) for key in sorted(plan.specialists)}
    known = {key: verdict for key, verdict in verdicts.items() if verdict is not None}
    placed = tuple(
        _placed(plan, key, verdict, bandwidths)
        for key, verdict in known.items()
        if verdict.assignment is not None
    )
    return FleetReport(
        placed=placed,
        unplaced=(*_invalid(fleet), *_unplaced(plan, known)),
        external=tuple(key for key, sp in sorted(plan.specialists.items()) if sp.external),
        tiers=tier_usage(fleet, plan),
        frontier=_frontier(plan, placed, provider_prices),
        problems=(*_invalid_tiers(fleet.tiers), *plan.placements.problems),
    )


def _placed(
    plan: FleetPlan, key: str, verdict: FleetVerdict, bandwidths: Mapping[str, float]
) -> Placed:
    assignment = verdict.assignment
    assert assignment is not None  # noqa: S101 - the caller has looked
    specialist = plan.specialists[key]
    prices = {name: tier.usd_per_gpu_hour for name, tier in plan.tiers.items()}
    return Placed(
        key=key,
        wanted=assignment.placed_replicas + assignment.missing_replicas,
        assignment=assignment,
        why=why_there(assignment, verdict.rejections, prices),
        sized=verdict.sizing.verdict.message,
        speeds=tuple(
            replica_speed(specialist, verdict.sizing, share, bandwidths.get(share.tier))
            for share in assignment.shares
        ),
        rejections=verdict.rejections,
    )


def _unplaced(plan: FleetPlan, verdicts: Mapping[str, FleetVerdict]) -> list[Unplaced]:
    found = []
    for key, verdict in verdicts.items():
        if plan.specialists[key].external is not None:
            continue
        missing = verdict.assignment.missing_replicas if verdict.assignment else None
        if missing == 0:
            continue
        told = verdict.placed if verdict.sizing.memory else verdict.sizing.verdict
        wanted = plan.specialists[key].placement.min_replicas
        found.append(
            Unplaced(key, told.reason, told.message, missing or wanted, verdict.rejections)
        )
    return found


def _invalid(fleet: Fleet) -> list[Unplaced]:
    return [
        Unplaced(sp.key, "InvalidSpec", sp.invalid, 0)
        for sp in sorted(fleet.specialists, key=lambda sp: sp.key)
        if sp.invalid is not None
    ]


def _invalid_tiers(tiers: Sequence[GPUTier]) -> list[str]:
    return [f"GPUTier {tier.name}: {tier.invalid}" for tier in tiers if tier.invalid is not None]


def _frontier(
    plan: FleetPlan, placed: Sequence[Placed], provider_prices: Mapping[str, float]
) -> AllFrontier | None:
    """The load of everything that is placed, on the most capable model; None if that is all.

    A generalist of our own comes first, then a provider's, then the largest model there is.
    """
    known = [each for each in placed if each.tokens_per_second]
    needed = sum(each.tokens_per_second or 0.0 for each in known)
    best = max(known, key=lambda each: _capability(plan, each.key), default=None)
    if best is None or best.speeds[0] is None:
        return None
    providers = [
        key
        for key in provider_prices
        if key in plan.specialists and plan.specialists[key].field == GENERAL_FIELD
    ]
    if providers and plan.specialists[best.key].field != GENERAL_FIELD:
        dearest = max(providers, key=lambda key: (provider_prices[key], key))
        usd = provider_prices[dearest]
        hourly = needed * SECONDS_PER_HOUR / 1000 * usd
        return AllFrontier(dearest, "external", 0, 0, hourly, usd)
    if len(known) == 1:
        return None
    share = best.assignment.primary
    return all_frontier(
        best.key,
        share.tier,
        share.gpus_per_replica,
        plan.tiers[share.tier].usd_per_gpu_hour,
        best.speeds[0],
        needed=needed,
    )


def _capability(plan: FleetPlan, key: str) -> tuple[bool, int, str]:
    """Generalists before specialists, then by weights: the model everything else escalates to."""
    specialist: Specialist = plan.specialists[key]
    return (
        specialist.field == GENERAL_FIELD,
        weights_of(specialist, plan.sizes[key]),
        key,
    )


def all_frontier(  # noqa: PLR0913 - the six figures of one formula
    key: str,
    tier: str,
    gpus_per_replica: int,
    usd_per_gpu_hour: float,
    speed: Speed,
    *,
    needed: float,
) -> AllFrontier:
    """Return what ``needed`` tokens a second cost on replicas of one model (module docstring)."""
    # A load that is a whole number of replicas up to rounding needs no replica more.
    replicas = max(1, ceil(needed / speed.tokens_per_second - 1e-9))
    gpus = replicas * gpus_per_replica
    return AllFrontier(
        key=key,
        tier=tier,
        replicas=replicas,
        gpus=gpus,
        usd_per_hour=gpus * usd_per_gpu_hour,
        usd_per_1k_tokens=usd_per_1k_tokens(gpus, usd_per_gpu_hour, needed),
    )
