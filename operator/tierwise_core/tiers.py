"""``GPUTier.status``: which nodes a tier has, how many GPUs, and what is wrong with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tierwise_core.admission import Flavors, flavor_verdict
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
EXCLUSIVE = "NodesExclusive"
OWNED = ("observedGeneration", "conditions", "nodes", "gpus", "memory", "usdPerHour", "correction")


@dataclass(frozen=True, slots=True)
class TierSnapshot:
    """What one pass over a tier looks at; ``others`` are the tiers beside it."""

    tier: GPUTier
    nodes: tuple[Node, ...] = ()
    use: GpuUse | None = None
    others: tuple[GPUTier, ...] = ()
    correction: Correction = NO_CORRECTION
    flavors: Flavors = field(default_factory=Flavors)


def decide_tier(snapshot: TierSnapshot, now: datetime) -> Plan:
    """Return the status a tier should have; no write when it has it."""
    tier = snapshot.tier
    if tier.invalid is not None:
        return _publish(tier, {}, [_ready(FALSE, "InvalidSpec", tier.invalid)], now)
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
    exclusive = nodes_verdict(tier, matched, lost, snapshot.others)
    if lost and ready.reason in {"Matched", "NoNodes"}:
        ready = replace(exclusive, type="Ready")
    flavor = flavor_verdict(tier, snapshot.flavors)
    return _publish(tier, status, [exclusive, *([flavor] if flavor else []), ready], now)


def lost_nodes(tier: GPUTier, nodes: Iterable[Node], others: Iterable[GPUTier]) -> dict[str, str]:
    """Return the nodes that count for another tier, which selects them too, and which that is.

    Of tiers with the same resource the first by name has the node, in placement as well, so that
    no GPU is counted twice.
    """
    rivals = [other for other in _rivals(tier, others) if other.name < tier.name]
    return {node.name: first for node in nodes if (first := _first(rivals, node)) is not None}


def _rivals(tier: GPUTier, others: Iterable[GPUTier]) -> list[GPUTier]:
    """Return the tiers that could claim the same GPUs, by name."""
    rivals = (o for o in others if o.resource_name == tier.resource_name and o.invalid is None)
    return sorted(rivals, key=lambda other: other.name)


def _first(rivals: Iterable[GPUTier], node: Node) -> str | None:
    return next((r.name for r in rivals if matches(r.node_selector, node.labels)), None)


def nodes_verdict(
    tier: GPUTier, nodes: Iterable[Node], lost: Mapping[str, str], others: Iterable[GPUTier]
) -> Verdict:
    """Return ``NodesExclusive``: whether a node of the tier is claimed by another one as well.

    Both tiers tell, because the mistake may be in either selector; only the one that has lost nodes
    is not ready for it.
    """
    rivals = [other for other in _rivals(tier, others) if other.name > tier.name]
    won = {node.name: who for node in nodes if (who := _first(rivals, node)) and not lost}
    shared = lost or won
    if not shared:
        return Verdict(EXCLUSIVE, TRUE, "Disjoint", "no other GPUTier selects these nodes")
    shown = ", ".join(sorted(shared)[:NODES_SHOWN])
    more = f" and {len(shared) - NODES_SHOWN} more" if len(shared) > NODES_SHOWN else ""
    rival = min(shared.values())
    owner, loser = (rival, tier.name) if lost else (tier.name, rival)
    selector = ",".join(f"{key}={value}" for key, value in sorted(tier.node_selector.items()))
    message = (
        f"spec.nodeSelector: {selector} also matches nodes of GPUTier {rival} ({shown}{more}); "
        f"they count for {owner} alone, the first by name; give {owner} or {loser} a label that "
        "only its own nodes have"
    )
    return Verdict(EXCLUSIVE, FALSE, "NodesClaimedTwice", message)


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


def _publish(
    tier: GPUTier, status: Mapping[str, Any], verdicts: Sequence[Verdict], now: datetime
) -> Plan:
    previous = read_conditions(tier.status)
    conditions = merge(previous, verdicts, tier.generation, now)
    ready = verdicts[-1]
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
        if change.after.type == "Ready" or change.after.status == FALSE
    )
    publish = PublishStatus("GPUTier", "", tier.name, wanted, f"Ready is {ready.status}")
    return Plan(status=publish, events=events, conditions=conditions)
