"""One side of a Specialist as a pass sees it: what it should run, what leaves, what serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from tierwise_core.children import Child
from tierwise_core.engine import Layout
from tierwise_core.engines import Engines, Troupe, engines, troupe
from tierwise_core.errors import TierwiseError
from tierwise_core.fleet_plan import FleetVerdict
from tierwise_core.lasting import lasting
from tierwise_core.leader_worker_set import MissingLeaderWorkerSetError
from tierwise_core.placement import Assignment, Share
from tierwise_core.rollout.order import Order
from tierwise_core.rollout.stages import Stage
from tierwise_core.rollover import Rollover, Situation, roll_over
from tierwise_core.sides import GREEN, SAME_PODS
from tierwise_core.snapshot import Snapshot
from tierwise_core.staging import Staged, stage

__all__ = ["SideView", "Views", "side_view", "views"]

FEW: Final = frozenset({Stage.PENDING, Stage.BENCHMARK, Stage.SHADOW, Stage.CANARY})
"""Stages in which green needs no more pods than its first share takes."""


@dataclass(frozen=True, slots=True)
class SideView:
    """One side.

    Attributes:
        snapshot: what is observed of this side alone.
        fleet: what the plan says of it.
        staged: the revisions that should run.
        rollover: how what runs becomes that.
        state: its pods, sorted into what serves and what does not.
        needed: pods without which it does not count as ready.
        refused: why none of it can run.
    """

    snapshot: Snapshot
    fleet: FleetVerdict
    staged: tuple[Staged, ...]
    rollover: Rollover
    state: Engines
    needed: int = 0
    refused: str = ""

    @property
    def edition(self) -> str:
        """The edition of the pods that get this side's requests; empty where none can be named."""
        serving = {pod.edition for pod in self.state.endpoints}
        if len(serving) == 1:
            return next(iter(serving))
        return self.staged[0].revision.edition if self.staged and not serving else ""

    @property
    def revisions(self) -> tuple[str, ...]:
        """The revisions that get this side's requests."""
        return tuple(sorted({pod.revision for pod in self.state.endpoints}))


@dataclass(frozen=True, slots=True)
class Views:
    """Both sides, and the Deployments that belong to neither any more."""

    blue: SideView
    green: SideView | None = None
    leftovers: tuple[tuple[Child, str], ...] = ()


def views(snapshot: Snapshot, fleet: FleetVerdict) -> Views:
    """Tell the two sides of a Specialist apart.

    Raises:
        TierwiseError: blue cannot run; what is wrong with green is told in ``refused``.
    """
    sides, children = snapshot.sides, snapshot.deployments
    greens = tuple(child for child in children if child.side == GREEN)
    if sides is not None and sides.adopts:
        return _adopted(snapshot, fleet)
    blue = side_view(_part(snapshot, [c for c in children if c not in greens]), fleet)
    if sides is not None and blue.state.outdated and (sides.holds or greens):
        blue = _held(blue)
    if sides is None or sides.green is None:
        why = "no rollout tries it any more"
        return Views(blue, None, tuple((child, why) for child in greens if not child.deleting))
    return Views(blue, _green(snapshot, greens, blue))


def _held(blue: SideView) -> SideView:
    """Leave what serves as it is while a candidate is tried, and while that holds GPUs.

    An engine that was changed together with the model is tried by the candidate's pods, and goes
    with it. What serves gets as many replicas as it should have, of what it is.
    """
    bare = _bare(blue.snapshot, blue.fleet, "")
    children = [c for c in blue.snapshot.deployments if c.edition == _edition_of(bare)]
    by_tier = {share.tier: share.replicas for share in _shares(blue.fleet)}
    why = "what serves is left as it is until its engine may change"
    scaled = tuple(
        (child, by_tier[child.tier], why)
        for child in children
        if by_tier.get(child.tier, child.replicas) != child.replicas and not child.deleting
    )
    return replace(bare, rollover=Rollover(shrink=scaled))


def _edition_of(side: SideView) -> str:
    known = {child.revision: child.edition for child in side.snapshot.deployments}
    return known.get(side.state.active, "")


def _shares(fleet: FleetVerdict) -> Sequence[Share]:
    return fleet.assignment.shares if fleet.assignment else ()


def _part(snapshot: Snapshot, children: Sequence[Child]) -> Snapshot:
    """Return what is observed without the Deployments of the other side and their pods."""
    mine = {child.revision for child in children}
    others = {child.revision for child in snapshot.deployments} - mine
    pods = tuple(pod for pod in snapshot.pods if pod.revision not in others)
    return replace(snapshot, deployments=tuple(children), pods=pods)


def _adopted(snapshot: Snapshot, fleet: FleetVerdict) -> Views:
    """Green has become blue: its pods stay as they are, and blue's leave once those serve."""
    whole = side_view(snapshot, fleet)
    kept = {each.revision.revision for each in whole.staged}
    mine = [c for c in snapshot.deployments if c.revision in kept or c.side == GREEN]
    if not whole.staged or not mine:
        return Views(whole)
    view = side_view(_part(snapshot, mine), fleet)
    if not view.state.endpoints:
        return Views(whole)
    rest = [c for c in snapshot.deployments if c not in mine and not c.deleting]
    why = "the candidate was promoted, and its cooldown has ended"
    return Views(view, None, tuple((child, why) for child in rest))


def _green(snapshot: Snapshot, greens: Sequence[Child], blue: SideView) -> SideView | None:
    """Return the candidate's side; None where it has not begun and there is nothing to see."""
    sides, seen = snapshot.sides, snapshot.green
    if sides is None or sides.green is None or sides.order is None or seen is None:
        return None
    alone = replace(
        _part(snapshot, greens),
        specialist=sides.green,
        reading=seen.reading,
        fleet=seen.fleet,
        adapters=seen.adapters,
    )
    pods = {child.revision for child in greens}
    alone = replace(alone, pods=tuple(pod for pod in alone.pods if pod.revision in pods))
    fleet = seen.fleet
    waits = not greens and (sides.still or not _begins(sides.order))
    if fleet is None or sides.refused or waits:
        return _bare(alone, fleet or replace(blue.fleet, assignment=None), sides.refused)
    try:
        view = side_view(alone, _trimmed(fleet, sides.order))
    except TierwiseError as error:
        return _bare(alone, fleet, str(error))
    blues = {child.revision for child in blue.snapshot.deployments}
    if any(each.revision.revision in blues for each in view.staged):
        return _bare(alone, fleet, SAME_PODS)
    if seen.no_room and not greens:
        return replace(view, staged=(), rollover=Rollover())
    return view


def _begins(order: Order) -> bool:
    """Say whether green's pods may start: not before the Rollout's own first pass has begun it."""
    return order.standing is not None and order.stage is not Stage.TRAINING


def _bare(alone: Snapshot, fleet: FleetVerdict, refused: str) -> SideView:
    """Return a side that starts nothing; its pods are there as they are."""
    state = engines(alone.specialist, _members(alone, ()), fleet.wanted, alone.pods)
    return SideView(alone, fleet, (), Rollover(), state, max(1, fleet.wanted), refused)


def _trimmed(fleet: FleetVerdict, order: Order) -> FleetVerdict:
    """Return the verdict with no more replicas than green's present share takes.

    The plan has room for all of them: green may be wanted whole from one window to the next.
    """
    wanted = _pods_for(order, fleet.wanted)
    if fleet.assignment is None or wanted >= fleet.wanted:
        return fleet
    left, shares = wanted, list[Share]()
    for share in fleet.assignment.shares:
        kept = min(share.replicas, left)
        left -= kept
        if kept:
            shares.append(replace(share, replicas=kept))
    trimmed: Assignment = replace(fleet.assignment, shares=tuple(shares))
    return replace(fleet, assignment=trimmed, wanted=wanted)


def _pods_for(order: Order, replicas: int) -> int:
    """Return how many pods green should have, of as many as blue has.

    >>> from tierwise_core.rollout.situation import Standing, Wish
    >>> one = Order("ai", "one", "u", 1, "ai/sorter")
    >>> [_pods_for(one, replicas) for replicas in (0, 1, 4, 40)]
    [0, 1, 1, 2]

    A canary that is paused, or a candidate that only listens, needs no more than before:

    >>> paused = Standing(Stage.PAUSED, 5, before=Stage.CANARY)
    >>> _pods_for(replace(one, standing=paused), 40)
    2
    >>> listening = replace(one, wish=Wish(strategy="Shadow"), standing=Standing(Stage.SHADOW))
    >>> _pods_for(listening, 40)
    4
    """
    wish = order.wish
    interrupted = order.standing.before if order.standing is not None else None
    if (interrupted or order.stage) not in FEW or wish.strategy == "BlueGreen" or wish.promote:
        return replicas
    percent = max(order.percent, wish.first_percent)
    return min(replicas, max(1, ceil(replicas * percent / 100)))


def side_view(snapshot: Snapshot, fleet: FleetVerdict) -> SideView:
    """Return one side as a pass sees it.

    Raises:
        TierwiseError: what should run cannot be put into a pod.
    """
    staged, rollover = _staged(snapshot, fleet)
    members = _members(snapshot, staged)
    state = engines(snapshot.specialist, members, fleet.wanted, snapshot.pods)
    return SideView(snapshot, fleet, staged, rollover, state, fleet.wanted)


def _staged(snapshot: Snapshot, fleet: FleetVerdict) -> tuple[tuple[Staged, ...], Rollover]:
    """Return what should run and what leaves for it; nothing when nothing may start."""
    assignment, tiers = fleet.assignment, fleet.tiers
    if assignment is None or fleet.blocked or assignment.tier not in tiers:
        return (), Rollover()
    layout = Layout(
        tier=tiers[assignment.tier],
        tensor_parallel=assignment.tensor_parallel,
        context_length_tokens=fleet.sizing.context_length_tokens,
        hf_endpoint=snapshot.hf_endpoint,
        delivery=snapshot.delivery,
        nodes=_nodes(snapshot),
    )
    layout = lasting(snapshot.specialist, layout, snapshot.deployments)
    staged = stage(snapshot.specialist, assignment.shares, tiers, layout)
    situation = Situation(
        wanted=tuple(each.wanted for each in staged),
        edition=staged[0].revision.edition,
        target=fleet.wanted,
        deployments=snapshot.deployments,
        pods=snapshot.pods,
        departing=snapshot.departing,
        room=lambda wanted: snapshot.room(tiers[wanted.tier], wanted.gpus_per_pod) // layout.nodes,
    )
    return staged, roll_over(situation)


def _nodes(snapshot: Snapshot) -> int:
    """Return over how many nodes each replica goes.

    Raises:
        MissingLeaderWorkerSetError: over several, and nothing starts their pods together.
    """
    nodes = snapshot.specialist.placement.nodes_per_replica
    if nodes > 1 and not snapshot.gangs:
        raise MissingLeaderWorkerSetError(nodes)
    return nodes


def _members(snapshot: Snapshot, staged: Sequence[Staged]) -> Troupe:
    """Return which revisions belong together; where nothing may start, what served last counts."""
    children = snapshot.deployments
    if staged:
        wanted = [each.wanted.revision for each in staged]
        return troupe(wanted, staged[0].revision.edition, children)
    last = snapshot.specialist.status.get("activeRevision")
    known = {child.revision: child.edition for child in children}
    newest = last if last in known else next(iter(sorted(known)), "")
    return troupe([newest] if newest else [], known.get(newest) or newest, children)
