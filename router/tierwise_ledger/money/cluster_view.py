"""What a cluster's objects say of its fleet: who holds which GPUs, what they cost, how fast."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog
from pydantic import ValidationError

from tierwise_api import GPUTier, Specialist, Tenant
from tierwise_core.attribution import Rates
from tierwise_core.bill import FREE, OTHERS, Market, PriceChange
from tierwise_core.capacity import Held, Look, Unit, with_commitment
from tierwise_core.catalogue import find_product
from tierwise_core.children import SPECIALIST, WORKER
from tierwise_core.cost_report import Charge
from tierwise_core.fleet import matches
from tierwise_core.money import nano_usd
from tierwise_core.quantities import parse_quantity
from tierwise_ledger.money.fleet_view import FleetView, Seat

__all__ = ["Watts", "cluster_view"]

Kind = TypeVar("Kind", GPUTier, Specialist, Tenant)

log = structlog.get_logger(__name__)

MILLI: Final = 1000
PREFILL_SHARE: Final = 10
"""Where only the answers' rate is known, prompts are taken to be read ten times as fast."""

Json = Mapping[str, Any]
Watts = Mapping[tuple[str, str], float]
"""What pods draw, by namespace and name."""


@dataclass(frozen=True, slots=True)
class _Pod:
    """A pod that holds GPUs of a node."""

    namespace: str
    name: str
    node: str
    gpus: Mapping[str, int]
    holder: str


def cluster_view(
    objects: Mapping[str, Iterable[Json]], now_s: float, watts: Watts | None = None
) -> FleetView:
    """Make a look out of the objects of a cluster, by kind: GPUTier, Specialist, Tenant, Node, Pod.

    An object that cannot be read is left out, and named in the log. Of tiers that select the same
    nodes the first by name has them, as in placement.
    """
    at_ms = round(now_s * MILLI)
    tiers = sorted(_read(GPUTier, objects.get("GPUTier", ())), key=lambda one: one.metadata.name)
    pods = [found for body in objects.get("Pod", ()) if (found := _pod(body)) is not None]
    seats = tuple(_seats(tiers, list(objects.get("Node", ())), pods))
    held = _held(seats, _spot_nodes(tiers, objects.get("Node", ())), watts or {})
    reserved = {
        tier.metadata.name: tier.spec.price.reserved.gpus
        for tier in tiers
        if tier.spec.price.reserved is not None
    }
    return FleetView(
        Look(at_ms, with_commitment(held.items(), reserved)),
        tuple(price for tier in tiers for price in _prices(tier, at_ms)),
        dict(_rates(_read(Specialist, objects.get("Specialist", ())))),
        dict(_charges(_read(Tenant, objects.get("Tenant", ())))),
        seats,
    )


def _read(kind: type[Kind], bodies: Iterable[Json]) -> Iterator[Kind]:
    for body in bodies:
        try:
            yield kind.from_cluster(body)
        except ValidationError as error:
            name = (body.get("metadata") or {}).get("name")
            log.warning("left out of the look", kind=kind.__name__, name=name, error=str(error))


def _pod(body: Json) -> _Pod | None:
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    node = spec.get("nodeName") or ""
    if not node or status.get("phase") in {"Succeeded", "Failed"}:
        return None
    gpus: dict[str, int] = {}
    for container in spec.get("containers") or ():
        resources = container.get("resources") or {}
        asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
        for name, count in asked.items():
            if "/" in name:
                gpus[name] = gpus.get(name, 0) + parse_quantity(count)
    labels, namespace = metadata.get("labels") or {}, metadata.get("namespace", "")
    ours = labels.get(SPECIALIST) or labels.get(WORKER)
    holder = f"{namespace}/{ours}" if ours else OTHERS
    return _Pod(namespace, metadata["name"], node, gpus, holder) if gpus else None


def _seats(tiers: Iterable[GPUTier], nodes: list[Json], pods: list[_Pod]) -> Iterator[Seat]:
    by_node: dict[str, list[_Pod]] = {}
    for pod in pods:
        by_node.setdefault(pod.node, []).append(pod)
    taken: set[tuple[str, str]] = set()
    for tier in tiers:
        resource = tier.spec.resource_name
        for node in nodes:
            name = node["metadata"]["name"]
            if (name, resource) in taken or not _is_of(tier, node):
                continue
            taken.add((name, resource))
            capacity = (node.get("status") or {}).get("allocatable") or {}
            free = parse_quantity(capacity.get(resource, 0))
            for pod in by_node.get(name, ()):
                if count := pod.gpus.get(resource, 0):
                    free -= count
                    yield Seat(tier.metadata.name, name, pod.holder, count,
                               f"{pod.namespace}/{pod.name}")  # fmt: skip
            if free > 0:
                yield Seat(tier.metadata.name, name, FREE, free)


def _is_of(tier: GPUTier, node: Json) -> bool:
    return matches(tier.spec.effective_node_selector, node["metadata"].get("labels") or {})


def _spot_nodes(tiers: Iterable[GPUTier], nodes: Iterable[Json]) -> set[tuple[str, str]]:
    """Give (tier, node) of the nodes that are spot instances of a tier."""
    labels = {node["metadata"]["name"]: node["metadata"].get("labels") or {} for node in nodes}
    return {
        (tier.metadata.name, node)
        for tier in tiers
        if (spot := tier.spec.price.spot) is not None
        for node, found in labels.items()
        if matches(spot.node_selector, found)
    }


def _held(seats: Iterable[Seat], spot: set[tuple[str, str]], watts: Watts) -> dict[Unit, Held]:
    found: dict[Unit, Held] = {}
    for seat in seats:
        market: Market = "spot" if (seat.tier, seat.node) in spot else "on-demand"
        unit = Unit(seat.tier, seat.holder, market)
        namespace, _, name = seat.pod.partition("/")
        drawn = watts.get((namespace, name))
        before = found.get(unit)
        total = None if drawn is None else round(drawn)
        if before is not None:
            metered = before.watts is not None and total is not None
            total = (before.watts or 0) + (total or 0) if metered else None
        found[unit] = Held(seat.gpus + (before.gpus if before else 0), total)
    return found


def _prices(tier: GPUTier, at_ms: int) -> Iterator[PriceChange]:
    spec = tier.spec
    price, product = spec.price, find_product(spec.gpu.product)
    watts = round(spec.gpu.tdp_watts or (product.tdp_watts if product else None) or 0)
    kwh = None if price.energy_per_kwh is None else nano_usd(price.energy_per_kwh)
    markets: list[tuple[Market, float]] = [("on-demand", price.per_gpu_hour)]
    if price.spot is not None:
        markets.append(("spot", price.spot.per_gpu_hour))
    if price.reserved is not None:
        markets.append(("reserved", price.reserved.per_gpu_hour))
    for market, usd in markets:
        yield PriceChange(
            tier.metadata.name, at_ms, nano_usd(usd), market, kwh,
            nano_usd(price.ops_per_gpu_hour or 0.0), watts,
        )  # fmt: skip


def _rates(specialists: Iterable[Specialist]) -> Iterator[tuple[tuple[str, str], Rates]]:
    """Yield what the engines told of themselves, on the tier where they ran."""
    for one in specialists:
        placement, told = one.status.placement, one.status.performance
        decode = told.generation_tokens_per_second if told is not None else None
        if placement is None or not placement.tier or told is None or not decode:
            continue
        prefill = told.prompt_tokens_per_second
        key = f"{one.metadata.namespace or 'default'}/{one.metadata.name}", placement.tier
        yield (
            key,
            Rates(
                round((prefill or PREFILL_SHARE * decode) * MILLI),
                round(decode * MILLI),
                max(1, placement.gpus_per_replica or 1),
                measured=prefill is not None,
            ),
        )


def _charges(tenants: Iterable[Tenant]) -> Iterator[tuple[str, Charge]]:
    for one in tenants:
        if (charges := one.spec.charges) is not None:
            yield (
                f"{one.metadata.namespace or 'default'}/{one.metadata.name}",
                Charge(
                    nano_usd(charges.per_answer),
                    nano_usd(charges.input_per_million_tokens),
                    nano_usd(charges.output_per_million_tokens),
                ),
            )
