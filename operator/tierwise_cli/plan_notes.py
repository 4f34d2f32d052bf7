"""What the figures of a plan rest on besides facts, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tierwise_cli.scene import MADE_UP
from tierwise_core.fleet import closure, nodes_of
from tierwise_core.fleet_plan import Fleet, FleetPlan
from tierwise_core.fleet_report import FleetReport
from tierwise_core.price_list import list_price
from tierwise_core.specialist import ReadingFailed
from tierwise_core.throughput import BANDWIDTH_SHARE, MEAN_CONTEXT_TOKENS

__all__ = ["notes_on"]

NAMES_SHOWN = 6


def notes_on(
    fleet: Fleet, plan: FleetPlan, report: FleetReport, by_status: Sequence[str]
) -> tuple[str, ...]:
    """One sentence for each thing that a reader should know before trusting a figure."""
    return tuple(
        note
        for note in (
            _no_nodes(fleet),
            _estimates(report),
            _unknown_speeds(report),
            _by_hand(fleet, plan, by_status),
            _by_status(by_status),
            _closed(fleet, plan),
            *_list_prices(fleet),
        )
        if note
    )


def _no_nodes(fleet: Fleet) -> str:
    if fleet.nodes:
        return ""
    return (
        "There are no nodes, so nothing has room. Add some: --nodes TIER=COUNTxGPUS, the output of "
        "kubectl get nodes -o yaml with -f, or --live."
    )


def _estimates(report: FleetReport) -> str:
    if all(placed.measured for placed in report.placed):
        return ""
    return (
        "~ is an estimate for busy replicas, good to a factor of two: tokens/s = R / (3 ms + "
        f"(weights + R x {MEAN_CONTEXT_TOKENS} tokens x KV per token) / (GPUs x bandwidth x "
        f"{BANDWIDTH_SHARE})), where R is targetConcurrency. A measured figure "
        "(status.performance) replaces it."
    )


def _unknown_speeds(report: FleetReport) -> str:
    tiers = {
        share.tier
        for placed in report.placed
        for share, speed in zip(placed.assignment.shares, placed.speeds, strict=True)
        if speed is None
    }
    if not tiers:
        return ""
    return (
        f"? is not known: set spec.gpu.bandwidthGBs of {_listed(tiers)}, or the model's size, to "
        "have it estimated."
    )


def _by_hand(fleet: Fleet, plan: FleetPlan, by_status: Sequence[str]) -> str:
    unread = {
        key
        for key, reading in fleet.readings.items()
        if isinstance(reading, ReadingFailed) and key not in by_status and _is_sized(plan, key)
    }
    if not unread:
        return ""
    return f"Source not read, sized by spec.model.size: {_listed(unread)}."


def _is_sized(plan: FleetPlan, key: str) -> bool:
    return key in plan.sizes and bool(plan.sizes[key].memory)


def _by_status(keys: Sequence[str]) -> str:
    if not keys:
        return ""
    return f"Source not read, sized by what the running pods were given: {_listed(keys)}."


def _closed(fleet: Fleet, plan: FleetPlan) -> str:
    """Nodes of a tier that take no new pods, and why."""
    found = {
        node.name: why
        for tier in plan.tiers.values()
        for node in nodes_of(tier, fleet.nodes)
        if (why := closure(tier, node)) is not None
    }
    if not found:
        return ""
    shown = [f"{name} {why}" for name, why in sorted(found.items())[:NAMES_SHOWN]]
    more = f" and {len(found) - NAMES_SHOWN} more" if len(found) > NAMES_SHOWN else ""
    return f"Closed to new pods: {'; '.join(shown)}{more}."


def _list_prices(fleet: Fleet) -> list[str]:
    """Tiers that --nodes took from the catalogue."""
    notes = []
    for tier in fleet.tiers:
        price = list_price(tier.product) if MADE_UP in tier.node_selector else None
        if price is not None and price.usd_per_gpu_hour == tier.usd_per_gpu_hour:
            notes.append(f"{tier.name} costs {tier.usd_per_gpu_hour:g} USD/GPU-h: {price.source}.")
    return notes


def _listed(keys: Iterable[str]) -> str:
    names = sorted(key.partition("/")[2] or key for key in keys)
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{', '.join(names[:NAMES_SHOWN])}{more}"
