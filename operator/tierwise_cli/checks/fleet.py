"""The hardware: nodes, their GPUs, and the tiers that name them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from tierwise_api.gputier import PRODUCT_LABEL
from tierwise_cli.checks.result import Check, Outcome, worst
from tierwise_cli.checks.seen import Object, Objects, Snapshot, Unread, condition

__all__ = ["check_gpus", "check_nodes", "check_tiers", "covers", "gpus_of"]

_GPU_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/xe", "gpu.intel.com/i915")
_MIG_PREFIX = "nvidia.com/mig-"
_SHOWN = 5


def check_nodes(seen: Snapshot) -> Check:
    """Every node is ready."""
    if isinstance(seen.nodes, Unread):
        return Check("nodes", Outcome.WARN, seen.nodes.why, fix=seen.nodes.fix)
    lost = [n for n in seen.nodes if condition(n, "Ready").get("status") != "True"]
    ready = f"{len(seen.nodes) - len(lost)} of {len(seen.nodes)} nodes are ready"
    if not lost:
        status = Outcome.OK if seen.nodes else Outcome.FAIL
        return Check("nodes", status, ready, fix="" if seen.nodes else "add a node to the cluster")
    names = [n["metadata"]["name"] for n in lost]
    return Check(
        *("nodes", Outcome.WARN if len(lost) < len(seen.nodes) else Outcome.FAIL, ready),
        fix=f"kubectl describe node {' '.join(names[:_SHOWN])}",
        details=tuple(f"{n['metadata']['name']}: {_why_lost(n)}" for n in lost),
    )


def _why_lost(node: Object) -> str:
    ready = condition(node, "Ready")
    return str(ready.get("message") or ready.get("reason") or "never reported")


def check_gpus(seen: Snapshot) -> Check:
    """The nodes offer GPUs to pods, counted by product."""
    if isinstance(seen.nodes, Unread):
        return Check("gpus", Outcome.WARN, "unknown: the nodes cannot be read", fix=seen.nodes.fix)
    extra = _tier_resources(seen.tiers)
    counts: Counter[str] = Counter()
    for node in seen.nodes:
        counts[_product(node)] += gpus_of(node, extra)
    told = [f"{count} {product}" for product, count in sorted(counts.items()) if count]
    if told:
        return Check("gpus", Outcome.OK, f"allocatable: {', '.join(told)}")
    return Check(
        *("gpus", Outcome.FAIL, "no node offers a GPU to pods"),
        fix="install the GPU operator or device plugin of the cards' maker, then look at "
        "`kubectl get nodes -o custom-columns=NODE:.metadata.name,GPUS:.status.allocatable`",
    )


def gpus_of(node: Object, extra: Iterable[str] = ()) -> int:
    """How many GPUs a node offers to pods, MIG slices and tiers' own resources counted.

    >>> gpus_of({"status": {"allocatable": {"cpu": "4", "nvidia.com/gpu": "2"}}})
    2
    """
    names = {*_GPU_RESOURCES, *extra}
    offered: Mapping[str, str] = node.get("status", {}).get("allocatable", {})
    return sum(
        int(count)
        for name, count in offered.items()
        if name in names or name.startswith(_MIG_PREFIX)
    )


def _tier_resources(tiers: Objects | Unread) -> set[str]:
    if isinstance(tiers, Unread):
        return set()
    return {t["spec"]["resourceName"] for t in tiers if "resourceName" in t["spec"]}


def _product(node: Object) -> str:
    return str(
        node["metadata"].get("labels", {}).get(PRODUCT_LABEL, "GPUs without a product label")
    )


def covers(tier: Object, node: Object) -> bool:
    """Whether a node belongs to a tier: it has every label of the tier's selector.

    >>> tier = {"spec": {"gpu": {"product": "L4"}}}
    >>> covers(tier, {"metadata": {"labels": {"nvidia.com/gpu.product": "L4"}}})
    True
    """
    product = tier["spec"]["gpu"]["product"]
    wanted = tier["spec"].get("nodeSelector") or {PRODUCT_LABEL: product}
    labels = node["metadata"].get("labels", {})
    return all(labels.get(key) == value for key, value in wanted.items())


def check_tiers(seen: Snapshot) -> Check:
    """Every tier has nodes, and every GPU node a tier."""
    if isinstance(seen.tiers, Unread):
        return Check("tiers", Outcome.FAIL, seen.tiers.why, fix=seen.tiers.fix)
    if not seen.tiers:
        return Check(
            *("tiers", Outcome.WARN, "there is no GPUTier, so no Specialist can be placed"),
            fix="tierwise tiers discover --live writes them; look at the prices, then apply them "
            "(examples/quickstart/tiers.yaml are two by hand)",
        )
    nodes = () if isinstance(seen.nodes, Unread) else seen.nodes
    found = [*_tier_troubles(seen.tiers, nodes), *_uncovered(seen.tiers, nodes)]
    names = ", ".join(f"{_name(t)} ({_count(t, nodes)})" for t in seen.tiers)
    return Check(
        *("tiers", worst(outcome for outcome, _ in found), names),
        fix="correct the GPUTier or the nodes' labels: kubectl get nodes --show-labels"
        if found
        else "",
        details=tuple(text for _, text in found),
    )


def _tier_troubles(tiers: Objects, nodes: Objects) -> list[tuple[Outcome, str]]:
    troubles = []
    for tier in tiers:
        ready = condition(tier, "Ready")
        reason = ready.get("reason", "")
        if ready.get("status") == "False" and reason != "NoNodes":
            troubles.append((Outcome.FAIL, f"{_name(tier)}: {reason}: {ready.get('message', '')}"))
        elif not any(covers(tier, node) for node in nodes):
            troubles.append((Outcome.WARN, f"{_name(tier)}: no node has {_selector(tier)}"))
    return troubles


def _uncovered(tiers: Objects, nodes: Objects) -> list[tuple[Outcome, str]]:
    extra = _tier_resources(tiers)
    alone = [n for n in nodes if gpus_of(n, extra) and not any(covers(t, n) for t in tiers)]
    return [(Outcome.WARN, f"node {_name(n)}: no GPUTier covers its {_product(n)}") for n in alone]


def _selector(tier: Object) -> str:
    wanted = tier["spec"].get("nodeSelector") or {PRODUCT_LABEL: tier["spec"]["gpu"]["product"]}
    return ", ".join(f"{key}={value}" for key, value in wanted.items())


def _count(tier: Object, nodes: Objects) -> str:
    count = sum(covers(tier, node) for node in nodes)
    return f"{count} node" if count == 1 else f"{count} nodes"


def _name(thing: Object) -> str:
    return str(thing["metadata"]["name"])
