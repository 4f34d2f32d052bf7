"""What is observed of a Specialist, shared out between its two sides."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tierwise_core.children import Child
from tierwise_core.errors import TierwiseError
from tierwise_core.fleet import Pod
from tierwise_core.holdings import holding
from tierwise_core.placement import Running
from tierwise_core.rollout.green_state import GreenState
from tierwise_core.side_view import views
from tierwise_core.sides import GREEN, Sides
from tierwise_core.sides_report import green_state
from tierwise_core.snapshot import Snapshot
from tierwise_core.specialist import Specialist

__all__ = ["holdings_of_sides", "pods_of_side", "state_of_sides"]


def pods_of_side(
    side: Specialist, children: Collection[Child], pods: Sequence[Pod]
) -> tuple[Pod, ...]:
    """Return the pods of one side; those that no Deployment claims are blue's.

    >>> green = Child("Deployment", "ai", "g", revision="r2", side="green")
    >>> pods = [Pod("ai", "a", revision="r1"), Pod("ai", "b", revision="r2")]
    >>> [pod.name for pod in pods_of_side(Specialist("ai", "s", "u", 1), [green], pods)]
    ['a']
    """
    greens = {child.revision for child in children if child.side == GREEN}
    return tuple(pod for pod in pods if (pod.revision in greens) == (side.side == GREEN))


def holdings_of_sides(
    sides: Sides,
    children: Sequence[Child],
    pods: Sequence[Pod],
    departing: Collection[str] = (),
) -> dict[str, tuple[Running, ...]]:
    """Return what each side runs now, by its key in the plan.

    What a promoted candidate runs is where its Specialist stays: that it is moved would restart it.
    """
    greens = [child for child in children if child.side == GREEN]
    blues = [child for child in children if child.side != GREEN]
    if sides.adopts and greens:
        return {sides.blue.key: _held(greens, children, pods, {}, departing)}
    published = sides.spec.status.get("placement") or {}
    found = {sides.blue.key: _held(blues, children, pods, published, departing)}
    if sides.green is not None and greens:
        found[sides.green.key] = _held(greens, children, pods, {}, departing)
    return found


def _held(
    mine: Sequence[Child],
    children: Sequence[Child],
    pods: Sequence[Pod],
    published: Mapping[str, object],
    departing: Collection[str],
) -> tuple[Running, ...]:
    others = {child.revision for child in children} - {child.revision for child in mine}
    return holding(mine, [p for p in pods if p.revision not in others], published, departing)


def state_of_sides(snapshot: Snapshot) -> GreenState | None:
    """Return what a rollout is told of both sides; None while that is not known."""
    if snapshot.sides is None or snapshot.sides.order is None or snapshot.fleet is None:
        return None
    try:
        return green_state(snapshot, views(snapshot, snapshot.fleet))
    except TierwiseError:
        return None  # blue's own trouble, which its status tells
