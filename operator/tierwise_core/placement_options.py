"""Which tiers each request could go to, at which size and price."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tierwise_core.mig import is_slice
from tierwise_core.model_metadata import MemoryBreakdown
from tierwise_core.placement_groups import Option
from tierwise_core.placement_types import Policy, Request, Running
from tierwise_core.tier_capacity import TierCapacity

__all__ = ["OptionBook", "moving"]

MICRO: Final = 1_000_000

Needs = tuple[tuple[int, int], ...]
"""Sizes, each with the rank of the smallest GPU memory in the fleet that it fits."""


class OptionBook:
    """The options of every request, worked out once for all that compare alike with the fleet.

    How a model's need compares with each tier's memory decides which tiers it fits; how many bytes
    it needs exactly does not matter. On a tier the smallest fitting size is the only one of
    interest: it costs least, and wherever a larger one finds GPUs it finds them too.
    """

    def __init__(self, capacities: Sequence[TierCapacity]) -> None:
        self.capacities = capacities
        self._sites = {capacity.tier.name: site for site, capacity in enumerate(capacities)}
        self._memories = sorted({capacity.usable_bytes_per_gpu for capacity in capacities})
        ranks = [bisect_left(self._memories, each.usable_bytes_per_gpu) for each in capacities]
        self._ranks = ranks
        self._largest = [
            1 if is_slice(each.tier.resource_name) else each.largest_node for each in capacities
        ]
        self._known: dict[object, tuple[Option, ...]] = {}
        self._by_request: dict[str, tuple[Option, ...]] = {}

    def site(self, tier: str) -> int | None:
        """The index of a tier, if there is one of that name."""
        return self._sites.get(tier)

    def options(self, request: Request) -> tuple[Option, ...]:
        """The tiers that could hold the request if they were free, cheapest first, then by name."""
        if request.key not in self._by_request:
            self._by_request[request.key] = self._look_up(request)
        return self._by_request[request.key]

    def _look_up(self, request: Request) -> tuple[Option, ...]:
        needs = self._needs(request.memory)
        learned = tuple(
            (site, self._needs(memory))
            for tier, memory in sorted(request.memory_by_tier.items())
            if (site := self._sites.get(tier)) is not None
        )
        prices = tuple(sorted(request.usd_per_accepted.items()))
        allowed = frozenset(request.allowed_tiers)
        key = (needs, learned, allowed, request.nodes_per_replica, prices)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._find(request, needs, dict(learned))
        return found

    def _needs(self, memory: Mapping[int, MemoryBreakdown]) -> Needs:
        """Sizes that fit somewhere, without those that fit no more GPUs than a smaller one."""
        needs = []
        rank = len(self._memories)
        for size in sorted(memory):
            fits = bisect_left(self._memories, memory[size].total_bytes_per_gpu)
            if fits < rank:
                needs.append((size, fits))
                rank = fits
        return tuple(needs)

    def _find(
        self, request: Request, needs: Needs, learned: Mapping[int, Needs]
    ) -> tuple[Option, ...]:
        """The options, worked out."""
        sizes = {
            site: size
            for site, capacity in enumerate(self.capacities)
            if capacity.tier.gpu_memory_bytes > 0 and request.allows(capacity.tier)
            if (size := self._smallest(site, learned.get(site, needs)))
        }
        nodes = request.nodes_per_replica
        costs = self._costs(request, {site: size * nodes for site, size in sizes.items()})
        found = (Option(site, size, nodes, costs[site]) for site, size in sizes.items())
        return tuple(sorted(found, key=lambda option: (option.cost, option.site)))

    def _smallest(self, site: int, needs: Needs) -> int:
        """The smallest size that fits a GPU and a node of the tier; 0 if none does."""
        largest = self._largest[site]
        fits = (size for size, rank in needs if rank <= self._ranks[site] and size <= largest)
        return next(fits, 0)

    def _costs(self, request: Request, gpus: Mapping[int, int]) -> dict[int, int]:
        """Micro-USD per replica hour by tier; measured tiers compare as their accepted answers do.

        The cheapest measured tier counts at its price, and another measured one at that price times
        how much more an accepted answer costs there.
        """
        usd = {site: n * self.capacities[site].tier.usd_per_gpu_hour for site, n in gpus.items()}
        measured = {
            site: request.usd_per_accepted[self.capacities[site].tier.name]
            for site in gpus
            if request.usd_per_accepted.get(self.capacities[site].tier.name, 0) > 0
        }
        if measured:
            reference = min(measured, key=lambda site: (usd[site], site))
            scale = usd[reference] / measured[reference]
            usd |= {site: each * scale for site, each in measured.items()}
        return {site: round(each * MICRO) for site, each in usd.items()}

    def place_of(self, request: Request, running: Running) -> Option | None:
        """Where it runs as an option, or ``None`` if it may not stay there."""
        site = self._sites.get(running.tier)
        if site is None or not request.allows(self.capacities[site].tier):
            return None
        size, capacity = running.tensor_parallel, self.capacities[site]
        need = request.memory_on(running.tier).get(size)
        if need is None or size > capacity.largest_node:
            return None
        if need.total_bytes_per_gpu > capacity.usable_bytes_per_gpu:
            return None
        usual = next((option for option in self.options(request) if option.site == site), None)
        if usual is None or usual.size == size:
            return usual
        return Option(site, size, usual.nodes, usual.cost * size // usual.size)


def moving(stay: Option, options: Iterable[Option], policy: Policy) -> list[Option]:
    """The other options at what they cost a replica that has to move there first.

    >>> away = moving(Option(0, 1, 1, 3_000_000), [Option(1, 1, 1, 400_000)], Policy(0.2, 0.05))
    >>> away[0].cost  # 0.40 + a fifth of 3.00 + 0.05
    1050000
    """
    fee = policy.move_penalty_usd_per_hour * MICRO + stay.cost * policy.move_threshold_fraction
    return [
        Option(option.site, option.size, option.nodes, option.cost + round(fee))
        for option in options
        if (option.site, option.size) != (stay.site, stay.size)
    ]
