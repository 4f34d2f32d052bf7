"""What to do where a candidate has no room beside what serves: the ways out, the cheapest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tierwise_core.placement_types import Request, Running, Tier

__all__ = ["ways_out"]


@dataclass(frozen=True, slots=True)
class _Site:
    """A tier that could hold the candidate, and how much of it is free.

    ``gpus`` are those of one replica, over all its nodes; ``slots`` the replicas that have room.
    """

    tier: Tier
    gpus: int
    slots: int
    free: int
    total: int

    def lacks(self, replicas: int) -> int:
        """How many more GPUs have to come free."""
        return max(1, replicas * self.gpus - self.free)


@dataclass(frozen=True, slots=True)
class _Way:
    usd_per_hour: float
    words: str


def ways_out(green: Request, blue: Request | None, tiers: Iterable[Tier]) -> str:
    """Say what the candidate lacks, and what would help, the cheapest first.

    >>> from tierwise_core.model_metadata import MemoryBreakdown
    >>> from tierwise_core.placement_types import NodeCapacity
    >>> l4 = Tier("l4", 2**34, nodes=(NodeCapacity("n", 0, 1),), usd_per_gpu_hour=0.5)
    >>> green = Request("ai/sorter#green", memory={1: MemoryBreakdown(2**30, 0, 0, 0)})
    >>> print(ways_out(green, None, [l4]))
    no room beside what serves: it needs 1 GPU, and tier l4 has 0 of 1 free; the cheapest way out: \
wait until 1 more GPU of tier l4 is free
    """
    sites = [site for tier in sorted(tiers, key=lambda t: t.name) if (site := _site(green, tier))]
    here = [site for site in sites if green.allows(site.tier)]
    ways = sorted(_ways(green, blue, sites, here), key=lambda way: (way.usd_per_hour, way.words))
    need = f"no room beside what serves: it needs {_needed(green, here)}"
    have = ", ".join(f"tier {s.tier.name} has {s.free} of {s.total} free" for s in here)
    story = f"{need}, and {have or 'no tier that it may use could hold it'}"
    return f"{story}; the cheapest way out: {'; or '.join(way.words for way in ways)}"


def _needed(green: Request, here: Sequence[_Site]) -> str:
    if not here:
        return _gpus(green.replicas)
    sizes = sorted({site.gpus for site in here})
    if green.replicas == 1:
        return " or ".join(_gpus(size) for size in sizes)
    each = " or ".join(str(size) for size in sizes)
    return f"{green.replicas} replicas with {each} GPU{'' if sizes == [1] else 's'} each"


def _site(green: Request, tier: Tier) -> _Site | None:
    """Return what a tier offers the candidate; None where it is too small altogether."""
    sizes = green.fitting_sizes(tier)
    open_nodes = [node for node in tier.nodes if node.ready and node.schedulable]
    fitting = [s for s in sizes if any(node.gpus_total >= s for node in open_nodes)]
    if not fitting:
        return None
    size = fitting[0]
    slots = sum(node.gpus_free // size for node in open_nodes) // green.nodes_per_replica
    free = sum(node.gpus_free for node in open_nodes)
    total = sum(node.gpus_total for node in open_nodes)
    return _Site(tier, size * green.nodes_per_replica, slots, free, total)


def _ways(
    green: Request, blue: Request | None, sites: Sequence[_Site], here: Sequence[_Site]
) -> Iterator[_Way]:
    for site in sites:
        usd = green.replicas * site.gpus * site.tier.usd_per_gpu_hour
        if site not in here and site.slots >= green.replicas:
            words = f"allow tier {site.tier.name} in spec.placement.tiers, for {usd:.2f} USD/h"
            yield _Way(usd, words)
    for site in here:
        yield from _fewer(blue, site)
    nearest = min(here, key=lambda site: (site.lacks(green.replicas), site.tier.name), default=None)
    if nearest is None:
        yield _Way(0.0, "give it a tier whose nodes are large enough")
        return
    more = nearest.lacks(green.replicas)
    verb = "is" if more == 1 else "are"
    yield _Way(0.0, f"wait until {more} more {_noun(more)} of tier {nearest.tier.name} {verb} free")


def _fewer(blue: Request | None, site: _Site) -> Iterator[_Way]:
    """With fewer replicas both sides need less: the candidate gets as many as serve."""
    runs = [place for place in blue.running if place.tier == site.tier.name] if blue else []
    if blue is None or not runs:
        return
    for fewer in range(1, blue.replicas):
        left = blue.replicas - fewer
        if left * site.gpus <= site.free + _freed(runs, fewer):
            usd = -_freed(runs, fewer) * site.tier.usd_per_gpu_hour
            words = (
                f"lower spec.placement.replicas.min from {blue.replicas} to {left} until it is "
                f"over: both sides then have room on tier {site.tier.name}"
            )
            yield _Way(usd, words)
            return


def _freed(runs: Sequence[Running], fewer: int) -> int:
    return fewer * min(place.tensor_parallel for place in runs)


def _gpus(count: int) -> str:
    return f"{count} {_noun(count)}"


def _noun(count: int) -> str:
    return "GPU" if count == 1 else "GPUs"
