"""How many own replicas are worth their price, and what is above them goes to the alternative.

``placement.burst: Switch`` tells tierwise to act on the comparison of ``status.dedicated``. The
decision is one number, the base: own replicas follow the load up to it, and requests above it go
to the external alternative. The base is what makes the observed day cheapest::

    own(h)  = min(base, max(least, ceil(load(h) / capacity)))
    cost    = mean over h of own(h) * price + max(0, load(h) - own(h) * capacity) * price elsewhere

It is changed only for a tenth of the cost or more, once an hour at most, and not before an hour of
load was seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from tierwise_core.load_profile import LoadProfile
from tierwise_core.plan import Announce
from tierwise_core.scaling_policy import ScalingPolicy
from tierwise_core.specialist import Specialist

__all__ = [
    "Burst",
    "Prices",
    "burst_status",
    "capped",
    "choose",
    "cost_usd_per_hour",
    "published",
    "rebased",
]

SECONDS_PER_HOUR: Final = 3600
LEAST_SAVING: Final = 0.1
LEAST_SECONDS: Final = 3600.0
LEAST_OBSERVED_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Prices:
    """What is compared: tokens per second and USD per hour of a replica, USD per token elsewhere.

    ``tier`` and ``alternative`` are the names of both sides.
    """

    capacity: float
    replica_usd_per_hour: float
    elsewhere_usd_per_token: float
    tier: str = ""
    alternative: str = ""


@dataclass(frozen=True, slots=True)
class Burst:
    """The base that was chosen, when, and why."""

    base_replicas: int
    since: datetime | None = None
    reason: str = ""


def cost_usd_per_hour(day: Sequence[float], prices: Prices, least: int, base: int) -> float:
    """Return what a day costs on average with so many own replicas at most.

    Eight hours of 250 tokens/s and sixteen of 70, replicas of 100 tokens/s at $0.40 an hour, $2
    for a million tokens elsewhere. Three replicas follow the load, one sends what is above it
    away, none sends everything:

    >>> day, prices = [250.0] * 8 + [70.0] * 16, Prices(100.0, 0.40, 2e-6)
    >>> [round(cost_usd_per_hour(day, prices, 0, base), 3) for base in (3, 1, 0)]
    [0.667, 0.76, 0.936]
    """
    total = 0.0
    for load in day:
        own = min(base, max(least, math.ceil(load / prices.capacity - 1e-9)))
        above = max(0.0, load - own * prices.capacity)
        total += own * prices.replica_usd_per_hour
        total += above * SECONDS_PER_HOUR * prices.elsewhere_usd_per_token
    return total / len(day)


def choose(
    before: Burst | None,
    profile: LoadProfile,
    prices: Prices | None,
    policy: ScalingPolicy,
    now: datetime,
) -> Burst:
    """Return the base from now on: the one before, unless another saves enough.

    Without prices, or before an hour was seen, it is the most replicas there may be: what own
    replicas can do stays with them.

    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> day = LoadProfile((250.0,) * 2 + (70.0,) * 22, (3600.0,) * 24)
    >>> cheap, policy = Prices(100.0, 0.40, 2e-6, "rtx-4090", "api"), ScalingPolicy(1, 3, 6.4)
    >>> choose(None, day, cheap, policy, noon).reason.partition("; ")[0]
    '2 own replicas on rtx-4090, the rest at api: 0.46 USD/h'
    >>> choose(None, LoadProfile(), cheap, policy, noon).base_replicas
    3
    """
    kept = before and replace(before, base_replicas=policy.bounded(before.base_replicas))
    if prices is None or sum(profile.seconds) < LEAST_OBSERVED_SECONDS:
        return kept or Burst(policy.max_replicas, None, "too little is known of the load yet")
    costs = _costs(profile.filled, prices, policy)
    best = chosen = min(costs, key=lambda base: (round(costs[base], 9), -base))
    if kept and best != kept.base_replicas:
        was = costs[kept.base_replicas]
        if was - costs[best] < LEAST_SAVING * was or _held(kept, now):
            chosen = kept.base_replicas
    since = kept.since if kept and kept.base_replicas == chosen and kept.since else now
    return Burst(chosen, since, _reason(chosen, best, costs, prices))


def _costs(day: Sequence[float], prices: Prices, policy: ScalingPolicy) -> dict[int, float]:
    """Return the cost of each base that is allowed; beyond the busiest hour nothing changes."""
    least, most = policy.min_replicas, policy.max_replicas
    busiest = math.ceil(max(day) / prices.capacity - 1e-9)
    last = min(most, max(least, busiest))
    costs = {n: cost_usd_per_hour(day, prices, least, n) for n in range(least, last + 1)}
    return costs | dict.fromkeys(range(last, most + 1), costs[last])


def _held(before: Burst, now: datetime) -> bool:
    return before.since is not None and (now - before.since).total_seconds() < LEAST_SECONDS


def _reason(chosen: int, best: int, costs: Mapping[int, float], prices: Prices) -> str:
    most = max(costs)
    shown = [chosen, *(base for base in (best, most) if base != chosen)]
    ways = [f"{_way(base, most, prices)}: {costs[base]:.2f} USD/h" for base in dict.fromkeys(shown)]
    return "; ".join(ways)


def _way(base: int, most: int, prices: Prices) -> str:
    if not base:
        return f"all of it at {prices.alternative}"
    own = f"{base} own replica{'' if base == 1 else 's'} on {prices.tier}"
    return own if base == most else f"{own}, the rest at {prices.alternative}"


def burst_status(burst: Burst, policy: ScalingPolicy, alternative: str) -> dict[str, Any]:
    """Return ``status.burst`` in wire form."""
    most = burst.base_replicas >= policy.max_replicas
    way = "Dedicated" if most else "Hybrid" if burst.base_replicas else "Serverless"
    status: dict[str, Any] = {
        "alternative": alternative,
        "baseReplicas": burst.base_replicas,
        "way": way,
        "message": burst.reason,
    }
    if burst.since is not None:
        moment = burst.since.astimezone(UTC).isoformat(timespec="seconds")
        status["since"] = moment.replace("+00:00", "Z")
    return status


def published(status: Mapping[str, Any]) -> Burst | None:
    """Read ``status.burst``; None where nothing was chosen yet, or it is not ours.

    >>> published({"burst": {"baseReplicas": 2, "since": "2026-03-01T12:00:00Z"}}).base_replicas
    2
    >>> published({"burst": {"message": "spec.placement.alternative ..."}}) is None
    True
    """
    said = status.get("burst") or {}
    base = said.get("baseReplicas")
    if not isinstance(base, int) or isinstance(base, bool) or base < 0:
        return None
    try:
        since = datetime.fromisoformat(said["since"])
    except (KeyError, TypeError, ValueError):
        since = None
    return Burst(base, since, str(said.get("message") or ""))


def capped(specialist: Specialist) -> ScalingPolicy:
    """Return the policy of the autoscaler: with a base, it goes no higher.

    Of a base of 0 one replica remains that a request may wake, for when the alternative fails.
    """
    policy = specialist.placement.scaling
    chosen = published(specialist.status) if specialist.placement.bursts else None
    if chosen is None or not policy.automatic:
        return policy
    most = max(policy.min_replicas, chosen.base_replicas, 1)
    return replace(policy, max_replicas=min(policy.max_replicas, most))


def rebased(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Announce, ...]:
    """Return the Event of another base.

    >>> rebased({"burst": {"baseReplicas": 3}}, {"burst": {"baseReplicas": 1}})[0].message
    'from 3 to 1 own replicas at most: '
    """
    old, new = published(before), published(after)
    if old is None or new is None or old.base_replicas == new.base_replicas:
        return ()
    message = f"from {old.base_replicas} to {new.base_replicas} own replicas at most: {new.reason}"
    return (Announce("Normal", "BurstSwitched", message),)
