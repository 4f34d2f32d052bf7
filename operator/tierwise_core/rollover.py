"""From what runs to what should run: which Deployments to apply and which to remove.

A changed pod template is a new revision with a Deployment of its own. It starts beside the old one
and the old one leaves when the new one has enough ready pods. Where the tier has no room for both,
the old one leaves first, because waiting for room that the old one holds would wait for ever.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tierwise_core.children import MANIFEST, Child, Rendered
from tierwise_core.drift import drift
from tierwise_core.fleet import Pod
from tierwise_core.plan import Action, Apply, ChildKind, Delete
from tierwise_core.pod_health import of_revision, serving


@dataclass(frozen=True, slots=True)
class Wanted:
    """The revision that should run, and what it may take.

    ``free_slots`` is how many more replicas of it the tier could start now.
    """

    revision: str
    replicas: int
    tier: str
    free_slots: int


@dataclass(frozen=True, slots=True)
class Rollover:
    """The old Deployments to remove, each with the reason; ``replaced`` if one leaves early."""

    remove: tuple[tuple[Child, str], ...] = ()
    replaced: str = ""


def roll_over(wanted: Wanted, deployments: Sequence[Child], pods: Sequence[Pod]) -> Rollover:
    """Return which old revisions leave now."""
    current = next((d for d in deployments if d.revision == wanted.revision), None)
    old = [d for d in deployments if d.revision != wanted.revision and not d.deleting]
    ready = len(serving(of_revision(pods, wanted.revision)))
    if ready >= wanted.replicas:
        why = f"revision {wanted.revision} has {ready} of {wanted.replicas} replicas ready"
        return Rollover(tuple((child, why) for child in old))
    idle = [child for child in old if not serving(of_revision(pods, child.revision))]
    busy = [child for child in old if child not in idle]
    leaving = [(child, f"revision {child.revision} has no ready pod") for child in idle]
    if busy and _needs_room(wanted, current, pods, busy):
        why = f"tier {wanted.tier} has no room for revisions {{}} and {wanted.revision} together"
        leaving += [(child, why.format(child.revision)) for child in busy]
        return Rollover(tuple(leaving), replaced=busy[0].revision)
    return Rollover(tuple(leaving), replaced=current.replaced if current else "")


def _needs_room(
    wanted: Wanted, current: Child | None, pods: Sequence[Pod], busy: Iterable[Child]
) -> bool:
    """Say whether the new revision can only start on GPUs that the old one holds."""
    if not any(child.tier == wanted.tier for child in busy):
        return False
    if current is None:
        return wanted.free_slots < wanted.replicas
    return any(pod.unschedulable for pod in of_revision(pods, wanted.revision))


def applied(rendered: Mapping[str, Any], live: Child | None) -> Apply | None:
    """Return the apply that a manifest needs, or None when the live object already carries it."""
    reason = "does not exist" if live is None else changed(rendered, live)
    if reason is None or (live is not None and live.deleting):
        return None
    kind: ChildKind = "Service" if rendered["kind"] == "Service" else "Deployment"
    metadata = rendered["metadata"]
    return Apply(kind, metadata["namespace"], metadata["name"], rendered, live is not None, reason)


def changed(rendered: Mapping[str, Any], live: Child) -> str | None:
    """Return what differs between a manifest and the live object, in words, or None.

    The digest tells fields that we no longer set; the comparison tells what others changed.
    """
    if live.manifest_digest != rendered["metadata"]["annotations"][MANIFEST]:
        return "the manifest changed"
    return drift(wanted_parts(rendered), json.loads(live.live))


def wanted_parts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of an object that we set and therefore watch over."""
    metadata = manifest["metadata"]
    return {
        "labels": metadata.get("labels"),
        "ownerReferences": metadata.get("ownerReferences"),
        "spec": manifest.get("spec"),
    }


def deployment_actions(
    rendered: Rendered, rollover: Rollover, deployments: Iterable[Child]
) -> tuple[Action, ...]:
    """Return the writes: removals first, so that a full tier has room when the new pods come."""
    current = next((d for d in deployments if d.name == rendered.name), None)
    apply = applied(rendered.manifest, current)
    removals = tuple(removal(child, why) for child, why in rollover.remove)
    return (*removals, apply) if apply else removals


def removal(child: Child, why: str) -> Delete:
    """Return the deletion of a child."""
    return Delete(child.kind, child.namespace, child.name, child.uid, why)
