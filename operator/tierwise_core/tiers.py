"""``GPUTier.status``: which nodes a tier has, how many GPUs, and what is wrong with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tierwise_core.conditions import (
    FALSE,
    TRUE,
    Status,
    Verdict,
    merge,
    read_conditions,
    transitions,
)
from tierwise_core.correction import NO_CORRECTION, Correction
from tierwise_core.fleet import GPUTier, GpuUse, Node, admits, closure, free_gpus, matches, nodes_of
from tierwise_core.graph import leads_into_cycle, listed
from tierwise_core.learned import correction_status
from tierwise_core.plan import Announce, Plan, PublishStatus
from tierwise_core.quantities import format_bytes

NODES_SHOWN = 5
OWNED = ("observedGeneration", "conditions", "nodes", "gpus", "memory", "usdPerHour", "correction")


@dataclass(frozen=True, slots=True)
class TierSnapshot:
    """What one pass over a tier looks at; ``others`` are the tiers beside it."""

    tier: GPUTier
    nodes: tuple[Node, ...] = ()
    use: GpuUse | None = None
    others: tuple[GPUTier, ...] = ()
    correction: Correction = NO_CORRECTION


def decide_tier(snapshot: TierSnapshot, now: datetime) -> Plan:
    """Return the status a tier should have; no write when it has it."""
    tier = snapshot.tier
    if tier.invalid is not None:
        return _publish(tier, {}, _ready(FALSE, "InvalidSpec", tier.invalid), now)
    matched = nodes_of(tier, snapshot.nodes)
    lost = lost_nodes(tier, matched, snapshot.others)
    nodes = tuple(node for node in matched if node.name not in lost)
    counts = count_gpus(tier, nodes, snapshot.use or {})
    status = {
        "nodes": len(nodes),
        "gpus": counts,
        "memory": tier.memory_text,
        "usdPerHour": round(tier.usd_per_gpu_hour * counts["capacity"], 6),
        "correction": correction_status(snapshot.correction),
    }
    escalations = {each.name: each.escalate_to for each in (tier, *snapshot.others)}
    ready = _judge(tier, nodes, counts, escalations)
    return _publish(tier, status, _with_losses(ready, lost), now)


def lost_nodes(tier: GPUTier, nodes: Iterable[Node], others: Iterable[GPUTier]) -> dict[str, str]:
    """Return the nodes that count for another tier, which selects them too, and which that is.

    Of tiers with the same resource the first by name has the node, in placement as well, so that
    no GPU is counted twice.
    """
    rivals = sorted(
        other.name
        for other in others
        if other.name < tier.name
        and other.resource_name == tier.resource_name
        and other.invalid is None
    )
    selectors = {other.name: other.node_selector for other in others}
    return {
        node.name: rival
        for node in nodes
        for rival in reversed(rivals)
        if matches(selectors[rival], node.labels)
    }


def _with_losses(ready: Verdict, lost: Mapping[str, str]) -> Verdict:
    if not lost:
        return ready
    shown = ", ".join(f"{node} for {rival}" for node, rival in sorted(lost.items())[:NODES_SHOWN])
    note = f"spec.nodeSelector: selects nodes that count for another tier ({shown})"
    return replace(ready, message=f"{ready.message}; {note}")


def count_gpus(tier: GPUTier, nodes: Sequence[Node], use: GpuUse) -> dict[str, int]:
    """Return capacity, allocated and free GPUs; free are only those a pod could have now.

    >>> node = Node("n", {"gpu": "x"}, {"nvidia.com/gpu": 4}, cordoned=True)
    >>> count_gpus(GPUTier("t"), [node], {"n": {"nvidia.com/gpu": 1}})
    {'capacity': 4, 'allocated': 1, 'free': 0}
    """
    resource = tier.resource_name
    return {
        "capacity": sum(node.gpus.get(resource, 0) for node in nodes),
        "allocated": sum(use.get(node.name, {}).get(resource, 0) for node in nodes),
        "free": sum(free_gpus(tier, node, use) for node in nodes if admits(tier, node)),
    }


def _judge(
    tier: GPUTier,
    nodes: Sequence[Node],
    counts: Mapping[str, int],
    escalations: Mapping[str, str | None],
) -> Verdict:
    wrong = _wrong_spec(tier, escalations)
    if wrong is not None:
        return wrong
    selector = ",".join(f"{key}={value}" for key, value in sorted(tier.node_selector.items()))
    if not nodes:
        message = (
            f"spec.nodeSelector: no node has the labels {selector}; label the nodes, or give the "
            "labels they have (kubectl get nodes --show-labels)"
        )
        return _ready(FALSE, "NoNodes", message)
    if not counts["capacity"]:
        message = (
            f"spec.resourceName: the {len(nodes)} nodes with {selector} offer no "
            f"{tier.resource_name}; is the device plugin running there?"
        )
        return _ready(FALSE, "NoNodes", message)
    return _ready(TRUE, "Matched", _summary(tier, nodes, counts))


def _summary(tier: GPUTier, nodes: Sequence[Node], counts: Mapping[str, int]) -> str:
    memory = format_bytes(tier.memory_bytes or 0)
    plural = "" if len(nodes) == 1 else "s"
    summary = (
        f"{counts['capacity']} GPUs of {memory} on {len(nodes)} node{plural}, {counts['free']} free"
    )
    closed = [f"{node.name} {why}" for node in nodes if (why := closure(tier, node))]
    shown = ", ".join(closed[:NODES_SHOWN])
    return f"{summary}; closed to new pods: {shown}" if closed else summary


def _wrong_spec(tier: GPUTier, escalations: Mapping[str, str | None]) -> Verdict | None:
    if tier.memory_bytes is None:
        message = (
            f"spec.gpu.memory: is needed, because the catalogue does not know {tier.product!r}; "
            "give the memory of one GPU, such as 24Gi"
        )
        return _ready(FALSE, "UnknownGPU", message)
    if tier.escalate_to is None:
        return None
    if tier.escalate_to not in escalations:
        others = listed(set(escalations) - {tier.name})
        message = f"spec.escalateTo: {tier.escalate_to!r} is no GPUTier; there are {others}"
        return _ready(FALSE, "UnknownTier", message)
    cycle = leads_into_cycle(tier.name, escalations)
    if cycle:
        message = f"spec.escalateTo: leads in a circle ({' -> '.join(cycle)}); end it at one tier"
        return _ready(FALSE, "EscalationCycle", message)
    return None


def _ready(status: Status, reason: str, message: str) -> Verdict:
    return Verdict("Ready", status, reason, message)


def _publish(tier: GPUTier, status: Mapping[str, Any], ready: Verdict, now: datetime) -> Plan:
    previous = read_conditions(tier.status)
    conditions = merge(previous, [ready], tier.generation, now)
    wanted = {
        **{field: value for field, value in status.items() if value is not None},
        "observedGeneration": tier.generation,
        "conditions": [condition.to_json() for condition in conditions],
    }
    if all(wanted.get(field) == tier.status.get(field) for field in OWNED):
        return Plan(conditions=conditions)
    events = tuple(
        Announce(
            "Normal" if change.after.status == TRUE else "Warning",
            change.after.reason,
            change.after.message,
        )
        for change in transitions(previous, conditions)
    )
    publish = PublishStatus("GPUTier", "", tier.name, wanted, f"Ready is {ready.status}")
    return Plan(status=publish, events=events, conditions=conditions)
