"""The Deployments that an assignment asks for, tier by tier, and the writes that make them so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tierwise_core.children import Child, Revision, revise, workload
from tierwise_core.engine import Layout
from tierwise_core.fleet import GPUTier, Pod
from tierwise_core.healing import applied, removal
from tierwise_core.placement import Share
from tierwise_core.plan import Action, Apply, Mark, Scale
from tierwise_core.rollover import Rollover, Wanted
from tierwise_core.specialist import Specialist

__all__ = ["GOES_FIRST", "Staged", "marks", "stage", "workload_actions"]

GOES_FIRST = -1000
"""The deletion cost of a pod whose node goes: Kubernetes would take the youngest pod first."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A share of the assignment, and the pods that make it true."""

    share: Share
    revision: Revision
    wanted: Wanted


def stage(
    specialist: Specialist, shares: Iterable[Share], tiers: Mapping[str, GPUTier], layout: Layout
) -> tuple[Staged, ...]:
    """Return the revisions that should run, the primary share's first.

    ``layout`` is the same for all but the tier and the tensor parallelism, which are the share's.

    Raises:
        PodTemplateError: ``engine.podTemplate`` cannot be merged.
    """
    return tuple(
        _staged(specialist, share, layout.on(tiers[share.tier], share.tensor_parallel))
        for share in shares
        if share.tier in tiers
    )


def _staged(specialist: Specialist, share: Share, layout: Layout) -> Staged:
    revision = revise(specialist, layout)
    wanted = Wanted(
        revision=revision.revision,
        replicas=share.replicas,
        tier=share.tier,
        gpus_per_pod=share.tensor_parallel,
        resource=layout.tier.resource_name,
        surges=layout.nodes == 1,
    )
    return Staged(share, revision, wanted)


def workload_actions(
    specialist: Specialist,
    staged: Sequence[Staged],
    rollover: Rollover,
    deployments: Iterable[Child],
) -> tuple[Action, ...]:
    """Return the writes: removals first, so that a full tier has room when the new pods come."""
    live = {child.name: child for child in deployments}
    removals = tuple(removal(child, why) for child, why in rollover.remove)
    shrinks = tuple(
        Scale(child.kind, child.namespace, child.name, replicas, why)
        for child, replicas, why in rollover.shrink
    )
    applies = (_apply(specialist, each.revision, rollover, live) for each in staged)
    return (*removals, *shrinks, *(apply for apply in applies if apply))


def _apply(
    specialist: Specialist, revision: Revision, rollover: Rollover, live: Mapping[str, Child]
) -> Apply | None:
    name = revision.revision
    replicas, replaced = rollover.replicas[name], rollover.replaced.get(name, "")
    manifest: Mapping[str, Any] = workload(specialist, revision, replicas, replaced)
    return applied(manifest, live.get(revision.name))


def marks(pods: Iterable[Pod], departing: Mapping[str, str]) -> tuple[Mark, ...]:
    """Return the marks that make Kubernetes take the pods that go first, and those to take away."""
    found = []
    for pod in sorted(pods, key=lambda pod: pod.name):
        why = departing.get(pod.key)
        if pod.terminating or pod.finished or not pod.node:
            continue
        if why is not None and pod.deletion_cost != GOES_FIRST:
            found.append(Mark(pod.namespace, pod.name, pod.uid, GOES_FIRST, why))
        elif why is None and pod.deletion_cost == GOES_FIRST:
            found.append(Mark(pod.namespace, pod.name, pod.uid, 0, f"node {pod.node} stays"))
    return tuple(found)
