"""GPUTiers for the nodes that are there: what ``tierwise tiers discover`` proposes.

One tier for each kind of GPU that a label tells apart, with what is known of it: memory, price,
taints to tolerate, the confidence floor of its class and the next class up. Nodes that a tier
covers already are left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tierwise_core.catalogue import find_product
from tierwise_core.fleet import GPUTier, Node, matches
from tierwise_core.gpu_labels import GPUOffer, offers_of
from tierwise_core.tier_proposal import (
    NARROW_FLOOR,
    ProposedTier,
    is_meant,
    priced,
    propose,
)

__all__ = ["Discovery", "ProposedTier", "discover"]

NODES_SHOWN: Final = 3
CAPACITY_TYPES: Final = (
    "karpenter.sh/capacity-type",
    "eks.amazonaws.com/capacityType",
    "cloud.google.com/gke-provisioning",
)
"""Labels that every node of a pool has and that tell spot nodes from the others."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found: tiers to add, tiers that are there already, and what could not be told."""

    tiers: tuple[ProposedTier, ...] = ()
    covered: tuple[str, ...] = ()
    problems: tuple[str, ...] = field(default=())


def discover(
    nodes: Iterable[Node],
    existing: Sequence[GPUTier] = (),
    prices: Mapping[str, float] | None = None,
) -> Discovery:
    """Propose a tier for every kind of GPU that no existing tier covers.

    Args:
        nodes: the cluster's nodes.
        existing: the GPUTiers that are there; they may be escalated to.
        prices: USD per GPU-hour by product or by the proposed tier's name.

    >>> l4 = Node("a", {"nvidia.com/gpu.product": "NVIDIA-L4"}, {"nvidia.com/gpu": 1})
    >>> h100 = Node("b", {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}, {"nvidia.com/gpu": 8})
    >>> found = discover([l4, h100])
    >>> [(tier.name, tier.confidence_floor, tier.escalate_to) for tier in found.tiers]
    [('l4', 0.8, 'h100-80gb'), ('h100-80gb', 0.55, None)]
    """
    seen = sorted(nodes, key=lambda node: node.name)
    labels = {node.name: node for node in seen}
    offers, problems = _offers(seen)
    free = [offer for offer in offers if not _cover(existing, offer, labels[offer.node])]
    groups = _split_by_capacity_type(_grouped(free), labels)
    named = _named([propose(group, labels, selector) for selector, group in groups], existing)
    with_prices = [priced(tier, prices or {}) for tier in named]
    covered = {tier for offer in offers for tier in _cover(existing, offer, labels[offer.node])}
    overlaps = _overlaps(with_prices, offers, free, labels)
    return Discovery(
        tiers=_chained(with_prices, existing),
        covered=tuple(sorted(covered)),
        problems=(*problems, *overlaps, *_unused(prices or {}, with_prices)),
    )


def _offers(nodes: Sequence[Node]) -> tuple[list[GPUOffer], list[str]]:
    found: list[GPUOffer] = []
    nameless: list[Node] = []
    for node in nodes:
        offers = offers_of(node)
        if offers is None:
            nameless.append(node)
        else:
            found += offers
    return found, [_nameless(nameless)] if nameless else []


def _nameless(nodes: Sequence[Node]) -> str:
    names = ", ".join(node.name for node in nodes[:NODES_SHOWN])
    more = f" and {len(nodes) - NODES_SHOWN} more" if len(nodes) > NODES_SHOWN else ""
    return (
        f"no label names the GPUs of node {names}{more}; install NVIDIA's GPU feature discovery or "
        f"AMD's node labeller, or say it: kubectl label node {nodes[0].name} "
        "nvidia.com/gpu.product=NVIDIA-L4"
    )


def _cover(existing: Iterable[GPUTier], offer: GPUOffer, node: Node) -> list[str]:
    return [
        tier.name
        for tier in existing
        if tier.resource_name == offer.resource_name and matches(tier.node_selector, node.labels)
    ]


Group = tuple[Mapping[str, str], list[GPUOffer]]


def _grouped(offers: Iterable[GPUOffer]) -> list[Group]:
    groups: dict[tuple[object, ...], list[GPUOffer]] = defaultdict(list)
    for offer in offers:
        groups[offer.resource_name, tuple(sorted(offer.selector.items()))].append(offer)
    return [(group[0].selector, group) for group in groups.values()]


def _split_by_capacity_type(groups: Iterable[Group], nodes: Mapping[str, Node]) -> list[Group]:
    """Give spot nodes a tier of their own where a label tells both sides apart: prices differ."""
    split: list[Group] = []
    for selector, offers in groups:
        label = _telling_label([nodes[offer.node] for offer in offers])
        if label is None:
            split.append((selector, offers))
            continue
        values = sorted({nodes[offer.node].labels[label] for offer in offers})
        split += [
            (
                {**selector, label: value},
                [offer for offer in offers if nodes[offer.node].labels[label] == value],
            )
            for value in values
        ]
    return split


def _telling_label(nodes: Sequence[Node]) -> str | None:
    """The capacity label that all of these nodes have, with more than one value."""
    for label in CAPACITY_TYPES:
        values = [node.labels.get(label) for node in nodes]
        if None not in values and len(set(values)) > 1:
            return label
    return None


def _named(tiers: Iterable[ProposedTier], existing: Sequence[GPUTier]) -> list[ProposedTier]:
    """The same tiers with names that nobody has yet."""
    taken = {tier.name for tier in existing}
    unique = []
    for tier in sorted(tiers, key=lambda t: (t.name, sorted(t.node_selector.items()))):
        name, number = tier.name, 2
        while name in taken:
            name, number = f"{tier.name}-{number}", number + 1
        taken.add(name)
        unique.append(replace(tier, name=name))
    return unique


def _unused(prices: Mapping[str, float], tiers: Sequence[ProposedTier]) -> list[str]:
    names = ", ".join(tier.name for tier in tiers) or "none"
    return [
        f"--price {given}: no proposed tier is of that product; there are: {names}"
        for given in prices
        if not any(is_meant(given, tier) for tier in tiers)
    ]


def _overlaps(
    tiers: Sequence[ProposedTier],
    offers: Sequence[GPUOffer],
    free: Sequence[GPUOffer],
    nodes: Mapping[str, Node],
) -> list[str]:
    """Proposed tiers that would claim nodes of an existing one as well."""
    taken = [offer for offer in offers if offer not in free]
    found = []
    for tier in tiers:
        both = sorted(
            {
                offer.node
                for offer in taken
                if offer.resource_name == tier.resource_name
                and matches(tier.node_selector, nodes[offer.node].labels)
            }
        )
        if both:
            found.append(
                f"tier {tier.name}: spec.nodeSelector also selects "
                f"{', '.join(both[:NODES_SHOWN])}, which an existing tier has; widen "
                "that tier's nodeSelector, or add a label that tells the nodes apart"
            )
    return found


def _chained(
    tiers: Sequence[ProposedTier], existing: Sequence[GPUTier]
) -> tuple[ProposedTier, ...]:
    """Each tier escalates to the cheapest of the next class that there is; by class, then name."""
    classes = [(t.confidence_floor, t.usd_per_gpu_hour, t.name) for t in tiers]
    classes += [(_floor_of(t), t.usd_per_gpu_hour, t.name) for t in existing if t.invalid is None]
    chained = [replace(tier, escalate_to=_next(tier.confidence_floor, classes)) for tier in tiers]
    return tuple(sorted(chained, key=lambda tier: (-tier.confidence_floor, tier.name)))


def _floor_of(tier: GPUTier) -> float:
    known = find_product(tier.product)
    catalogue = known.confidence_floor if known else NARROW_FLOOR
    return catalogue if tier.confidence_floor is None else tier.confidence_floor


def _next(floor: float, classes: Iterable[tuple[float, float | None, str]]) -> str | None:
    stronger = [entry for entry in classes if entry[0] < floor]
    if not stronger:
        return None
    closest = max(entry[0] for entry in stronger)
    unpriced = float("inf")
    return min(
        (entry for entry in stronger if entry[0] == closest),
        key=lambda entry: (entry[1] if entry[1] is not None else unpriced, entry[2]),
    )[2]
