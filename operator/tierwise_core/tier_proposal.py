"""What is known of one kind of GPU, as a tier that a person can apply."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tierwise_core.catalogue import find_product
from tierwise_core.departure import leaving
from tierwise_core.fleet import NO_EXECUTE, NO_SCHEDULE, Node, Taint
from tierwise_core.gpu_labels import GPUOffer
from tierwise_core.price_list import list_price

__all__ = ["NARROW_FLOOR", "ProposedTier", "is_meant", "priced", "propose"]

NARROW_FLOOR, BROAD_FLOOR = 0.80, 0.70
BROAD_MEMORY_BYTES: Final = 70 * 2**30
USABLE_FRACTION: Final = 0.9
NAME_LENGTH: Final = 63
SLICES_PER_GPU: Final = 7
PASSING_TAINTS: Final = (
    "node.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
    "DeletionCandidateOfClusterAutoscaler",
    "karpenter.sh/unregistered",
)
"""Taints of these prefixes come and go with the node's health; tolerating them would be wrong."""
SPOT: Final = frozenset({"spot", "preemptible"})


@dataclass(frozen=True, slots=True)
class ProposedTier:
    """A GPUTier to be written down.

    Attributes:
        name: unique, a DNS name.
        product: ``spec.gpu.product``.
        memory_bytes: ``spec.gpu.memory``; ``None`` leaves it to the catalogue.
        price_source: where the price is from; empty if it was given.
        usd_per_gpu_hour: ``None`` if nobody knows: such a tier cannot be applied yet.
        usable_fraction: ``None`` leaves the default.
        nodes, gpus: how many there are of them now.
        notes: what a person should look at before applying it.
    """

    name: str
    product: str
    node_selector: Mapping[str, str]
    resource_name: str
    memory_bytes: int | None
    confidence_floor: float
    usd_per_gpu_hour: float | None = None
    price_source: str = ""
    escalate_to: str | None = None
    usable_fraction: float | None = None
    tolerations: tuple[Mapping[str, Any], ...] = ()
    nodes: int = 0
    gpus: int = 0
    notes: tuple[str, ...] = ()


def propose(
    offers: Sequence[GPUOffer], nodes: Mapping[str, Node], selector: Mapping[str, str]
) -> ProposedTier:
    """Return what is known of one kind of GPU; price and escalation come later."""
    first = offers[0]
    known = find_product(first.product)
    memory = min((o.memory_bytes for o in offers if o.memory_bytes), default=None)
    spot = any(str(value).casefold() in SPOT for value in selector.values())
    shared = max(offer.shared_by for offer in offers)
    notes = []
    if shared > 1:
        notes.append(f"{shared} pods share each GPU by time slicing, so each may use 1/{shared}")
    if memory is None and known is None:
        notes.append(f"the catalogue does not know {first.product}: add spec.gpu.memory")
    if spot:
        notes.append("spot nodes: write what you pay for them")
    return ProposedTier(
        name=_short_name(first) + ("-spot" if spot else "") + ("-shared" if shared > 1 else ""),
        product=first.product,
        node_selector=dict(selector),
        resource_name=first.resource_name,
        memory_bytes=memory,
        confidence_floor=_floor(first, memory),
        usable_fraction=int(USABLE_FRACTION / shared * 100) / 100 if shared > 1 else None,
        tolerations=_tolerations(nodes[offer.node].taints for offer in offers),
        nodes=len({offer.node for offer in offers}),
        gpus=sum(offer.count for offer in offers),
        notes=tuple(notes),
    )


def _short_name(offer: GPUOffer) -> str:
    """A name for the tier: the price list's, else the product's own in DNS letters.

    >>> _short_name(GPUOffer("n", "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", "r", 1, profile="1g.10gb"))
    'a100-80gb-1g-10gb'
    >>> _short_name(GPUOffer("n", "AMD_Radeon PRO W7900", "amd.com/gpu", 1))
    'amd-radeon-pro-w7900'
    """
    whole = offer.product.removesuffix(f"-MIG-{offer.profile}")
    price = list_price(whole)
    name = price.tier_name if price else whole
    profile = f"-{offer.profile}" if offer.profile else ""
    return _dns(f"{name}{profile}")


def _dns(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")[: NAME_LENGTH - 10] or "gpu"


def _floor(offer: GPUOffer, memory_bytes: int | None) -> float:
    """The floor of the product's class; a slice is narrow, an unknown GPU goes by its memory."""
    known = find_product(offer.product)
    if known is not None:
        return known.confidence_floor
    large = not offer.profile and (memory_bytes or 0) >= BROAD_MEMORY_BYTES
    return BROAD_FLOOR if large else NARROW_FLOOR


def _tolerations(taints: Iterable[Iterable[Taint]]) -> tuple[Mapping[str, Any], ...]:
    """What covers every lasting taint of these nodes."""
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for taint in (taint for of_node in taints for taint in of_node if _lasts(taint)):
        values[taint.key, taint.effect].add(taint.value)
    return tuple(
        {"key": key, "operator": "Equal", "value": next(iter(found)), "effect": effect}
        if len(found) == 1 and found != {""}
        else {"key": key, "operator": "Exists", "effect": effect}
        for (key, effect), found in sorted(values.items())
    )


def _lasts(taint: Taint) -> bool:
    """Whether a taint keeps pods away for good, and not because the node is ill or leaving."""
    if taint.effect not in {NO_SCHEDULE, NO_EXECUTE} or leaving([taint]):
        return False
    return not taint.key.startswith(PASSING_TAINTS)


def priced(tier: ProposedTier, prices: Mapping[str, float]) -> ProposedTier:
    """Return the tier with the price that was given for it, else the list's.

    A slice of MIG is priced by its compute slices, of which a GPU has seven.
    """
    for given, usd in prices.items():
        if is_meant(given, tier):
            return replace(tier, usd_per_gpu_hour=usd)
    whole, _mig, profile = tier.product.partition("-MIG-")
    listed = list_price(whole)
    if listed is None or listed.usd_per_gpu_hour is None:
        return tier
    if not profile:
        return replace(tier, usd_per_gpu_hour=listed.usd_per_gpu_hour, price_source=listed.source)
    slices = int(profile.partition("g")[0])
    return replace(
        tier,
        usd_per_gpu_hour=round(listed.usd_per_gpu_hour * slices / SLICES_PER_GPU, 4),
        price_source=f"{slices}/{SLICES_PER_GPU} of {listed.usd_per_gpu_hour}, {listed.source}",
    )


def is_meant(given: str, tier: ProposedTier) -> bool:
    """Say whether a product or tier name that a person gave means this tier."""
    if given.casefold() in {tier.name, tier.product.casefold()}:
        return True
    known = find_product(given)
    return known is not None and known.name == tier.product
