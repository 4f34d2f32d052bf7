"""Nodes that are about to go, and the pods that cannot stay where they are.

A cordon alone says that nothing new may come; what runs may stay, so nothing moves. A taint of
those below says that the node will be taken away, and that is the time to replace what runs there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from tierwise_core.fleet import NO_EXECUTE, GPUTier, GpuUse, Node, Pod, Taint, tolerates

__all__ = ["LEAVING_TAINT", "departure", "departures", "leaving"]

LEAVING_TAINT: Final = "tierwise.dev/leaving"
"""What a person puts on a node to have its pods replaced before the node is drained."""

# Each says that the machine is going away, whether or not pods tolerate it.
ANNOUNCEMENTS: Final = frozenset(
    {
        LEAVING_TAINT,
        # cluster-autoscaler, on the node it has chosen; a mere candidate has another taint
        "ToBeDeletedByClusterAutoscaler",
        # Karpenter: v1, and the versions before it
        "karpenter.sh/disrupted",
        "karpenter.sh/disruption",
        # GKE: a spot or preemptible machine that is reclaimed, or host maintenance
        "cloud.google.com/impending-node-termination",
        # AWS node termination handler: spot interruption and what else it is told of
        "aws-node-termination-handler/spot-itn",
        "aws-node-termination-handler/scheduled-maintenance",
        "aws-node-termination-handler/asg-lifecycle-termination",
        "aws-node-termination-handler/rebalance-recommendation",
        # AKS: a scheduled event that takes the machine away
        "remediator.kubernetes.azure.com/unschedulable",
        "remediator.aks.microsoft.com/unschedulable",
        # Kubernetes itself: the cloud says the machine is shut down; a person says it is broken
        "node.cloudprovider.kubernetes.io/shutdown",
        "node.kubernetes.io/out-of-service",
    }
)


def leaving(taints: Iterable[Taint], more: Collection[str] = ()) -> str:
    """Return what announces that a node is about to go, or nothing; ``more`` are further keys.

    >>> leaving([Taint("karpenter.sh/disrupted")])
    'taint karpenter.sh/disrupted'
    >>> leaving([Taint("node.kubernetes.io/unschedulable")])
    ''
    """
    keys = (taint.key for taint in taints)
    return next((f"taint {key}" for key in keys if key in ANNOUNCEMENTS or key in more), "")


def departure(node: Node | None, tier: GPUTier | None = None) -> str | None:
    """Return why pods cannot stay on a node, or None; ``tier`` says which taints they tolerate.

    >>> departure(Node("n", cordoned=True)) is None
    True
    >>> departure(Node("n", ready=False)), departure(None)
    ('is not ready', 'is gone')
    """
    if node is None:
        return "is gone"
    if not node.ready:
        return "is not ready"
    if node.leaving:
        return f"is about to go ({node.leaving})"
    if tier is not None:
        for taint in node.taints:
            if taint.effect == NO_EXECUTE and not tolerates(tier.tolerations, taint):
                return f"puts its pods out (taint {taint.key})"
    return None


def departures(
    pods: Iterable[Pod],
    node_of: Callable[[str], Node | None],
    use: GpuUse,
    tier_of: Callable[[str], GPUTier | None],
) -> dict[str, str]:
    """Return the pods that cannot stay where they are, by key, and why.

    Those whose node goes; and, where a node has lost GPUs, those that failed: a container that is
    started again in the same pod gets the same broken GPU again.
    """
    found = {}
    for pod in pods:
        if not pod.node or pod.finished:
            continue
        node = node_of(pod.node)
        if node is None and not pod.running_since:
            continue  # bound a moment ago: its node has not been seen yet
        why = departure(node, tier_of(pod.tier)) or _stranded(pod, node, use)
        if why is not None:
            found[pod.key] = f"node {pod.node} {why}"
    return found


def _stranded(pod: Pod, node: Node | None, use: GpuUse) -> str | None:
    """Return why a pod that failed will fail again here, or None."""
    if node is None or pod.ready or pod.last_exit is None:
        return None
    held = use.get(pod.node, {})
    for resource in pod.gpus:
        have, want = node.gpus.get(resource, 0), held.get(resource, 0)
        if have < want:
            return f"has {have} of the {want} {resource} that pods hold, and the engine failed"
    return None
