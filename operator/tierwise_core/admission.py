"""Kueue: which nodes a flavor stands for, and whether pods were admitted.

A pod that Kueue holds back has a scheduling gate. It is not unschedulable, it waits its turn, and
nothing is moved or stopped because it waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tierwise_core.children import QUEUE
from tierwise_core.conditions import FALSE, TRUE, UNKNOWN, Verdict
from tierwise_core.fleet import GPUTier, Pod
from tierwise_core.graph import listed
from tierwise_core.staging import Staged

__all__ = ["Flavors", "admitted_verdict", "flavor_verdict", "with_flavor"]

ADMITTED = "Admitted"
FLAVOR = "FlavorResolved"
INSTALL = "https://kueue.sigs.k8s.io/docs/installation/"


@dataclass(frozen=True, slots=True)
class Flavors:
    """Kueue's ResourceFlavors with their node labels; None where Kueue is not installed."""

    labels: Mapping[str, Mapping[str, str]] | None = None

    def of(self, tier: GPUTier) -> Mapping[str, str]:
        """Return the node labels of a tier's flavor, empty if it has none or nobody knows it."""
        return (self.labels or {}).get(tier.kueue_resource_flavor or "", {})


def with_flavor(tier: GPUTier, flavors: Flavors) -> GPUTier:
    """Return the tier with its flavor's node labels in its selector.

    So the pods ask for exactly the flavor's nodes: Kueue picks that flavor and no other, and no
    node beyond it counts. Where the two contradict each other the tier's own selector stands.

    >>> tier = GPUTier("t", node_selector={"gpu": "l4"}, kueue_resource_flavor="spot")
    >>> with_flavor(tier, Flavors({"spot": {"capacity": "spot"}})).node_selector
    {'gpu': 'l4', 'capacity': 'spot'}
    """
    labels = flavors.of(tier)
    if not labels or _contradictions(tier, labels):
        return tier
    return replace(tier, node_selector={**tier.node_selector, **labels})


def _contradictions(tier: GPUTier, labels: Mapping[str, str]) -> list[str]:
    own = tier.node_selector
    return sorted(
        f"{key}={own[key]} is {value} there"
        for key, value in labels.items()
        if own.get(key, value) != value
    )


def flavor_verdict(tier: GPUTier, flavors: Flavors) -> Verdict | None:
    """Return ``FlavorResolved`` of a tier that names a flavor."""
    name = tier.kueue_resource_flavor
    if name is None:
        return None
    if flavors.labels is None:
        message = (
            f"spec.kueueResourceFlavor: {name!r} needs Kueue, which this cluster does not have; "
            f"install it ({INSTALL}), or leave the field out"
        )
        return Verdict(FLAVOR, FALSE, "KueueMissing", message)
    if name not in flavors.labels:
        known = listed(flavors.labels) or "none"
        message = f"spec.kueueResourceFlavor: {name!r} is no ResourceFlavor; there are {known}"
        return Verdict(FLAVOR, FALSE, "UnknownFlavor", message)
    if wrong := _contradictions(tier, flavors.labels[name]):
        message = (
            f"spec.nodeSelector: contradicts ResourceFlavor {name}: {', '.join(wrong)}; no pod "
            "could ever be admitted and scheduled, make them agree"
        )
        return Verdict(FLAVOR, FALSE, "FlavorContradicts", message)
    return Verdict(FLAVOR, TRUE, "Resolved", f"ResourceFlavor {name} stands for these nodes")


def admitted_verdict(
    staged: Iterable[Staged], pods: Iterable[Pod], words: Mapping[str, str]
) -> Verdict | None:
    """Return ``Admitted``, in Kueue's words (by pod uid); None where no queue has a say."""
    labels = [each.revision.template["metadata"]["labels"] for each in staged]
    queues = sorted({found[QUEUE] for found in labels if QUEUE in found})
    if not queues:
        return None
    alive = [pod for pod in pods if not pod.terminating and not pod.finished]
    waiting = sorted((pod for pod in alive if pod.gates), key=lambda pod: pod.name)
    if waiting:
        count = f"{len(waiting)} of {len(alive)} pods wait in LocalQueue {queues[0]}"
        said = next((words[pod.uid] for pod in waiting if words.get(pod.uid)), "")
        return Verdict(ADMITTED, FALSE, "NotAdmitted", f"{count}{': ' if said else ''}{said}")
    if not alive:
        return Verdict(ADMITTED, UNKNOWN, "NoPods", f"no pod is in LocalQueue {queues[0]} yet")
    return Verdict(ADMITTED, TRUE, "Admitted", f"LocalQueue {queues[0]} admitted all pods")
