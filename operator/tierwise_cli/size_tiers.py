"""The tiers that `tierwise size` compares with: the catalogue's, a file's or a cluster's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tierwise_cli.cluster import Access
from tierwise_cli.errors import UsageError
from tierwise_cli.live import read_nodes
from tierwise_cli.manifests import Manifests, read_manifests
from tierwise_cli.scene import catalogue_tier, fleet_of
from tierwise_core.correction import Correction
from tierwise_core.fleet import GPUTier, Node, nodes_of
from tierwise_core.placement import NodeCapacity, Tier
from tierwise_core.price_list import COMMON_TIERS, PRICE_LIST
from tierwise_core.what_if_names import did_you_mean

__all__ = ["LIST_PRICES", "Candidates", "tiers_to_compare"]

LIST_PRICES = (
    "prices are list prices of 2025 and 2026 (docs/cli.md names their sources); yours go in --price"
)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Tiers to compare a model with, and what each has learned of its own loads."""

    tiers: tuple[Tier, ...]
    corrections: Mapping[str, Correction] = field(default_factory=dict)


def tiers_to_compare(
    fleet: Path | None, live: Access | None, names: Sequence[str], prices: Mapping[str, float]
) -> Candidates:
    """The tiers asked for, at the prices that were given.

    Raises:
        UsageError: a name or a price belongs to no tier.
    """
    if fleet is not None and live is not None:
        raise UsageError("--fleet and --live exclude each other", fix="give one of them")
    if fleet is not None:
        found = _of_fleet(read_manifests([fleet], "--fleet"), names, f"--fleet {fleet}")
    elif live is not None:
        found = _of_fleet(read_nodes(live), names, "the cluster")
    else:
        common = dict.fromkeys(names or COMMON_TIERS)
        found = Candidates(tuple(_of_catalogue(name, prices) for name in common))
    _check_prices(found.tiers, prices)
    priced = (
        replace(t, usd_per_gpu_hour=prices.get(t.name, t.usd_per_gpu_hour)) for t in found.tiers
    )
    return replace(found, tiers=tuple(priced))


def _of_catalogue(name: str, prices: Mapping[str, float]) -> Tier:
    """A tier that has as many nodes as it takes."""
    known = catalogue_tier(name)
    if known is None:
        names = [price.tier_name for price in PRICE_LIST]
        raise UsageError(
            f"--tier {name!r}: the catalogue has no such GPU{did_you_mean(name, names)}",
            fix=f"it has {', '.join(names)}; others come from a file with --fleet",
        )
    if not known.usd_per_gpu_hour and name not in prices:
        raise UsageError(
            f"--tier {name!r}: no list price is known for {known.product}",
            fix=f"give it: --price {name}=0.50",
        )
    return _tier(known, ())


def _of_fleet(manifests: Manifests, names: Sequence[str], where: str) -> Candidates:
    fleet = fleet_of(manifests)
    for tier in fleet.tiers:
        if tier.invalid is not None:
            raise UsageError(f"GPUTier {tier.name}: {tier.invalid}")
    known = {tier.name: tier for tier in fleet.tiers}
    if not known:
        raise UsageError(f"{where} has no GPUTier", fix="tierwise tiers discover writes them")
    for name in names:
        if name not in known:
            raise UsageError(
                f"--tier {name!r}: {where} has no such GPUTier{did_you_mean(name, known)}",
                fix=f"it has {', '.join(sorted(known))}",
            )
    tiers = tuple(_tier(known[name], fleet.nodes) for name in names or known)
    return Candidates(tiers, fleet.corrections)


def _tier(tier: GPUTier, nodes: Sequence[Node]) -> Tier:
    """The tier as sizing compares it: nodes count by how many GPUs they have, free or not."""
    capacities = (
        NodeCapacity(node.name, count, count)
        for node in nodes_of(tier, nodes)
        if (count := node.gpus.get(tier.resource_name, 0))
    )
    return Tier(
        name=tier.name,
        gpu_memory_bytes=tier.memory_bytes or 0,
        usable_fraction=tier.usable_fraction,
        usd_per_gpu_hour=tier.usd_per_gpu_hour,
        nodes=tuple(capacities),
        resource_name=tier.resource_name,
    )


def _check_prices(tiers: Sequence[Tier], prices: Mapping[str, float]) -> None:
    names = [tier.name for tier in tiers]
    for name in prices:
        if name not in names:
            raise UsageError(
                f"--price {name}=...: {name!r} is none of the tiers{did_you_mean(name, names)}",
                fix=f"they are {', '.join(names)}",
            )
