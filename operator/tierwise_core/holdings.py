"""What a Specialist runs now, as the solver wants to know it: by tier, with the GPUs it holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tierwise_core.children import Child
from tierwise_core.fleet import Pod
from tierwise_core.placement import Running

__all__ = ["holding"]

Place = tuple[str, int]
"""A tier, and the GPUs of a node that each replica has there."""


def holding(
    deployments: Collection[Child],
    pods: Collection[Pod],
    published: Mapping[str, Any],
    departing: Collection[str] = (),
) -> tuple[Running, ...]:
    """Return what runs, the places of the placement published last first.

    A pod that cannot stay holds nothing that could be kept. The order tells the solver which of two
    equal places was chosen before, so that a move under way does not turn back.

    >>> old, new = (Child("Deployment", "a", t, tier=t, replicas=1) for t in ("h100", "a40"))
    >>> told = {"tiers": [{"tier": "a40", "tensorParallel": 1}]}
    >>> [(runs.tier, runs.replicas) for runs in holding([old, new], [], told)]
    [('a40', 1), ('h100', 1)]
    """
    live = [child for child in deployments if not child.deleting and child.tier]
    bound = [pod for pod in pods if pod.node and not pod.finished]
    replicas: dict[Place, int] = {}
    held: dict[Place, dict[str, int]] = {}
    for child in live:
        place = (child.tier, max(1, child.gpus_per_replica))
        gone = [pod for pod in bound if pod.revision == child.revision and pod.key in departing]
        alive = sum(1 for pod in gone if not pod.terminating)
        replicas[place] = replicas.get(place, 0) + max(0, child.replicas - alive)
    places = _ranked(replicas, published)
    by_revision = {child.revision: (child.tier, max(1, child.gpus_per_replica)) for child in live}
    for pod in bound:
        home = by_revision.get(pod.revision) or _nearest(pod, places)
        if home is not None and pod.key not in departing:
            nodes = held.setdefault(home, {})
            nodes[pod.node] = nodes.get(pod.node, 0) + sum(pod.gpus.values())
    return tuple(Running(*place, replicas[place], held.get(place, {})) for place in places)


def _ranked(places: Iterable[Place], published: Mapping[str, Any]) -> list[Place]:
    order = {place: rank for rank, place in enumerate(_places(published))}
    return sorted(places, key=lambda place: (order.get(place, len(order)), place))


def _nearest(pod: Pod, places: Iterable[Place]) -> Place | None:
    """Return the place that takes over the GPUs of a pod whose Deployment is gone: on its tier."""
    here = [place for place in places if place[0] == pod.tier]
    size = sum(pod.gpus.values())
    return next((place for place in here if place[1] == size), next(iter(here), None))


def _places(published: Mapping[str, Any]) -> tuple[Place, ...]:
    """Return the places of ``status.placement``; before tiers were published it had one."""
    tiers = published.get("tiers") or ([published] if published.get("tier") else [])
    return tuple((str(each["tier"]), int(each.get("tensorParallel") or 1)) for each in tiers)
