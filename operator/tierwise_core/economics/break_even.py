"""Own replicas or somebody else's tokens: what each costs, and where the two break even.

Formulas of the design's section "Economics", in USD, hours and outputs; an output is whatever is
counted and priced, a token or an accepted answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SECONDS_PER_HOUR = 3600

Way = Literal["Dedicated", "Serverless", "Hybrid"]


def required_utilization(
    replica_usd_per_hour: float,
    outputs_per_replica_hour: float,
    serverless_usd_per_output: float,
    *,
    replicas: int = 1,
    ops_usd_per_hour: float = 0.0,
) -> float:
    """Return the share of its capacity above which dedicated hardware is cheaper.

    ``u_req = (C_hw * R_min + C_ops) / (G_slo * C_serverless)``. Above 1 it never is; without a
    price or a capacity to compare with it is infinite.

    An hour of hardware at $3.20 with $0.50 of operations, good for 800 outputs within the service
    level, against $0.012 for each elsewhere:

    >>> round(required_utilization(3.20, 800, 0.012, ops_usd_per_hour=0.50), 3)
    0.385
    """
    worth_usd = outputs_per_replica_hour * serverless_usd_per_output
    cost_usd = replica_usd_per_hour * replicas + ops_usd_per_hour
    return cost_usd / worth_usd if worth_usd > 0 else math.inf


def cost_per_accepted_usd(total_usd: float, accepted: int) -> float:
    """Return the LCPR: all that a workload cost, over the outputs that were accepted.

    Everything counts: failed, retried, repaired, escalated and judged outputs, idle hardware,
    operations. Nothing accepted costs infinitely much.

    >>> cost_per_accepted_usd(12.0, 800)
    0.015
    """
    return total_usd / accepted if accepted else math.inf


def payback_months(migration_usd: float, lcpr_now: float, lcpr_new: float, volume: float) -> float:
    """Return the months until a migration has paid for itself; infinite if it saves nothing.

    ``migration cost / ((LCPR_now - LCPR_new) * volume)``, the volume in accepted outputs a month.
    $11k for what saves $5k a month, a million outputs of half a cent:

    >>> payback_months(11_000, 0.012, 0.007, 1_000_000)
    2.2
    """
    saved_usd = (lcpr_now - lcpr_new) * volume
    return round(migration_usd / saved_usd, 9) if saved_usd > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Offer:
    """What is compared: one replica's capacity and price, and the other side's price.

    ``elastic`` says that replicas follow the load from hour to hour, between ``least`` and
    ``most``; otherwise as many run all day as the busiest hour needs. ``ops_usd_per_hour`` is
    paid once for however many own replicas there are.
    """

    outputs_per_second: float
    replica_usd_per_hour: float
    serverless_usd_per_output: float
    least: int = 1
    most: int | None = None
    elastic: bool = False
    ops_usd_per_hour: float = 0.0


@dataclass(frozen=True, slots=True)
class Split:
    """The cheapest ways of each kind, averaged over the day, and the cheapest of all.

    ``base_replicas`` run all day in the hybrid, and what is above them goes elsewhere;
    ``replicas`` is the number of own replicas in the cheapest way, in its busiest hour.
    """

    dedicated_usd_per_hour: float
    serverless_usd_per_hour: float
    hybrid_usd_per_hour: float
    base_replicas: int
    cheapest: Way
    replicas: int


def cheapest_split(profile: Sequence[float], offer: Offer) -> Split:
    """Return what each way of serving a day costs; the profile is in outputs per second.

    The hybrid's base is found by trying each number: its cost is convex, what a further replica
    takes over shrinks with each. The hybrid has at least one replica and something above them.

    Eight busy hours of 250 tokens/s and sixteen of 70, replicas of 100 tokens/s at $0.40 an hour,
    and $2 for a million tokens elsewhere. One replica takes 100 and 70 of them:

    >>> split = cheapest_split([250.0] * 8 + [70.0] * 16, Offer(100.0, 0.40, 2e-6))
    >>> split.cheapest, split.base_replicas
    ('Hybrid', 1)
    >>> round(split.hybrid_usd_per_hour, 2)
    0.76
    >>> round(split.dedicated_usd_per_hour, 2), round(split.serverless_usd_per_hour, 2)
    (1.2, 0.94)
    """
    own = _replicas_by_hour(profile, offer)
    dedicated = sum(own) / len(own) * offer.replica_usd_per_hour + offer.ops_usd_per_hour
    serverless = _elsewhere_usd_per_hour(profile, offer, 0)
    most = max(1, math.ceil(max(profile) / offer.outputs_per_second) - 1)
    base = min(range(1, most + 1), key=lambda n: _hybrid(profile, offer, n))
    hybrid = _hybrid(profile, offer, base)
    ways: list[tuple[float, Way, int]] = [
        (serverless, "Serverless", 0),
        (dedicated, "Dedicated", max(own)),
        (hybrid, "Hybrid", base),
    ]
    # Of two that cost the same the simpler one: it comes first.
    _, cheapest, replicas = min(ways, key=lambda way: round(way[0], 9))
    return Split(dedicated, serverless, hybrid, base, cheapest, replicas)


def _replicas_by_hour(profile: Sequence[float], offer: Offer) -> list[int]:
    """Return the replicas that serve each hour alone."""
    floor = max(1, offer.least)
    needs = [max(floor, math.ceil(load / offer.outputs_per_second - 1e-9)) for load in profile]
    if not offer.elastic:
        return [max(needs)] * len(needs)
    return [min(need, offer.most) if offer.most else need for need in needs]


def _hybrid(profile: Sequence[float], offer: Offer, base: int) -> float:
    own = base * offer.replica_usd_per_hour + offer.ops_usd_per_hour
    return own + _elsewhere_usd_per_hour(profile, offer, base)


def _elsewhere_usd_per_hour(profile: Sequence[float], offer: Offer, base: int) -> float:
    above = [max(0.0, load - base * offer.outputs_per_second) for load in profile]
    per_hour = sum(above) / len(above) * SECONDS_PER_HOUR
    return per_hour * offer.serverless_usd_per_output
