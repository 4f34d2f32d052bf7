"""From what runs to what should run: how many replicas each Deployment has, and which leave.

A changed pod template is a new revision with a Deployment of its own, and so is another tier. The
new pods start beside the old ones, and the old ones leave when the new ones are ready; a pod on a
node that goes away is replaced in the same manner, within its Deployment. Only where there is no
room for both does an old pod leave first, one replica's worth at a time, because waiting for room
that it holds would wait for ever.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tierwise_core.children import Child
from tierwise_core.fleet import Pod
from tierwise_core.pod_health import of_revision, serving


@dataclass(frozen=True, slots=True)
class Wanted:
    """Replicas of one revision that should run; ``gpus_per_pod`` is what each pod asks for.

    ``surges`` says whether a pod more than wanted can be asked for, to replace one that goes.
    """

    revision: str
    replicas: int
    tier: str
    gpus_per_pod: int = 1
    resource: str = "nvidia.com/gpu"
    surges: bool = True


@dataclass(frozen=True, slots=True)
class Situation:
    """What a Specialist should run, and what there is.

    Attributes:
        wanted: the revisions that should run, tier by tier.
        edition: what all of them run.
        target: the replicas that the Specialist is meant to have, whether there is room or not.
        deployments: what there is, wanted or not.
        pods: all its pods.
        departing: pods that cannot stay where they are, by key, and why.
        room: how many more replicas of a wanted revision its tier could start now.
    """

    wanted: tuple[Wanted, ...]
    edition: str
    target: int
    deployments: Sequence[Child]
    pods: Sequence[Pod]
    departing: Mapping[str, str] = field(default_factory=dict)
    room: Callable[[Wanted], int] = lambda _: 0


@dataclass(frozen=True, slots=True)
class Rollover:
    """What to do: the replicas of each wanted revision, and the old Deployments that give way.

    ``shrink`` are old Deployments with the replicas they keep; ``replaced`` is, by wanted revision,
    the old one that had to leave before it was ready.
    """

    replicas: Mapping[str, int] = field(default_factory=dict)
    remove: tuple[tuple[Child, str], ...] = ()
    shrink: tuple[tuple[Child, int, str], ...] = ()
    replaced: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Stand:
    """The pods of a wanted revision: those that serve and may stay, those that load, those that go.

    ``extra`` serve beyond what is wanted here.
    """

    wanted: Wanted
    settled: int
    extra: int
    going: int
    loading: int
    bound: int


def roll_over(now: Situation) -> Rollover:
    """Return what to start, to keep and to remove."""
    stands = [_stand(wanted, now) for wanted in now.wanted]
    settled = sum(stand.settled for stand in stands)
    planned = sum(wanted.replicas for wanted in now.wanted)
    revisions = {wanted.revision for wanted in now.wanted}
    old = [d for d in now.deployments if d.revision not in revisions and not d.deleting]
    replicas = _replicas(stands, planned - settled, now.target - settled)
    if settled >= planned and not _still_needed(old, settled, now):
        why = _why_done(now, settled, planned)
        return Rollover(replicas, tuple((child, why) for child in old))
    idle = [child for child in old if _is_idle(child, now)]
    busy = [child for child in old if child not in idle]
    leaving = tuple((child, f"revision {child.revision} has no ready pod") for child in idle)
    return _make_room(Rollover(replicas, leaving, (), _told(now)), stands, busy, now)


def _stand(wanted: Wanted, now: Situation) -> _Stand:
    pods = of_revision(now.pods, wanted.revision)
    staying = [pod for pod in pods if pod.key not in now.departing]
    serves = len(serving(staying))
    return _Stand(
        wanted,
        settled=min(serves, wanted.replicas),
        extra=max(0, serves - wanted.replicas),
        going=len(pods) - len(staying),
        loading=sum(1 for pod in staying if pod.node and not pod.ready),
        bound=sum(1 for pod in staying if pod.node),
    )


def _replicas(stands: Sequence[_Stand], lacking: int, missing: int) -> dict[str, int]:
    """Return the replicas of each revision: those wanted, and those that wait to be replaced.

    ``lacking`` replicas have room and are not ready yet; as long as there are some, replicas beyond
    those wanted here serve on. ``missing`` counts those without room as well: for their sake a pod
    stays on a node that goes for as long as the node does.

    A Deployment whose new pods still load keeps those that go, all of them: told to shrink,
    Kubernetes would take the loading ones first.
    """
    replicas: dict[str, int] = {}
    for stand in stands:
        wanted = stand.wanted
        if not wanted.surges:
            replicas[wanted.revision] = wanted.replicas
            continue
        extra = min(stand.extra, max(0, lacking))
        loads = stand.settled < wanted.replicas
        going = stand.going if loads else min(stand.going, max(0, missing - extra))
        lacking, missing = lacking - extra, missing - extra - going
        replicas[wanted.revision] = wanted.replicas + extra + going
    return replicas


def _is_idle(child: Child, now: Situation) -> bool:
    """Say whether an old Deployment serves nobody and is not about to.

    One of the same edition whose pods load is about to: it may be ready before its replacement.
    """
    pods = of_revision(now.pods, child.revision)
    if serving(pods):
        return False
    hopeful = [pod for pod in pods if pod.node and pod.key not in now.departing]
    return child.edition != now.edition or not any(pod.last_exit is None for pod in hopeful)


def _still_needed(old: Sequence[Child], settled: int, now: Situation) -> bool:
    """Say whether pods that go must serve on, for want of room for all replicas.

    Those of another edition must not: two editions at once would answer in two ways.
    """
    return settled < now.target and any(
        pod.key in now.departing
        for child in old
        if child.edition == now.edition
        for pod in serving(of_revision(now.pods, child.revision))
    )


def _why_done(now: Situation, settled: int, planned: int) -> str:
    if len(now.wanted) == 1:
        return f"revision {now.wanted[0].revision} has {settled} of {planned} replicas ready"
    tiers = ", ".join(wanted.tier for wanted in now.wanted)
    return f"{settled} of {planned} replicas are ready on {tiers or 'no tier'}"


def _told(now: Situation) -> dict[str, str]:
    """Return what the wanted Deployments say of revisions that left before them."""
    live = {child.revision: child.replaced for child in now.deployments if child.replaced}
    return {w.revision: live[w.revision] for w in now.wanted if w.revision in live}


def _make_room(
    plan: Rollover, stands: Sequence[_Stand], busy: Sequence[Child], now: Situation
) -> Rollover:
    """Let old replicas leave first where a wanted revision can only start on their GPUs."""
    for stand in stands:
        holders = [child for child in busy if child.tier == stand.wanted.tier]
        if holders and _is_stuck(stand, now):
            return _give_way(plan, stand.wanted, _first_to_leave(holders, now), now)
    return plan


def _is_stuck(stand: _Stand, now: Situation) -> bool:
    """Say whether replicas wait for GPUs that nobody is about to free.

    While one of them loads on a GPU that was made free, the next step can wait.
    """
    wanted = stand.wanted
    if stand.bound >= wanted.replicas or stand.loading or _on_their_way_out(wanted, now):
        return False
    return _refused(wanted, now) or now.room(wanted) <= 0


def _refused(wanted: Wanted, now: Situation) -> bool:
    """Say whether the scheduler found no GPU for a pod, whatever we think is free."""
    pods = of_revision(now.pods, wanted.revision)
    return any(f"Insufficient {wanted.resource}" in pod.unschedulable for pod in pods)


def _on_their_way_out(wanted: Wanted, now: Situation) -> bool:
    """Say whether pods of ours are leaving GPUs of the tier, enough for a replica.

    Those on nodes that go leave nothing that anybody could use.
    """
    gpus = 0
    kept = {child.revision: child.replicas for child in now.deployments if not child.deleting}
    here = [pod for pod in now.pods if pod.tier == wanted.tier and _holds(pod, now)]
    for revision in {pod.revision for pod in here if pod.revision != wanted.revision}:
        held = [pod for pod in here if pod.revision == revision]
        alive = sum(1 for pod in held if not pod.terminating)
        freed = len(held) - min(alive, kept.get(revision, 0))
        gpus += freed * max(sum(pod.gpus.values()) for pod in held)
    return gpus >= wanted.gpus_per_pod


def _holds(pod: Pod, now: Situation) -> bool:
    """Say whether a pod holds GPUs on a node that stays."""
    return bool(pod.node) and not pod.finished and pod.key not in now.departing


def _first_to_leave(holders: Sequence[Child], now: Situation) -> Child:
    """Return whose replica goes first: another edition's, then the one with most replicas."""
    return min(
        holders, key=lambda child: (child.edition == now.edition, -child.replicas, child.name)
    )


def _give_way(plan: Rollover, wanted: Wanted, child: Child, now: Situation) -> Rollover:
    """Take from an old Deployment as many replicas as one new replica needs the GPUs of.

    Its pods on nodes that go are marked to go first, and leave no room: they do not count.
    """
    alive = of_revision(now.pods, child.revision)
    staying = sum(1 for pod in alive if pod.key not in now.departing)
    kept = min(child.replicas, staying) - -(-wanted.gpus_per_pod // max(1, child.gpus_per_replica))
    why = (
        f"tier {wanted.tier} has no room for revisions {child.revision} and {wanted.revision} "
        "together"
    )
    replaced = {**plan.replaced, wanted.revision: child.revision}
    if kept <= 0:
        return replace(plan, remove=(*plan.remove, (child, why)), replaced=replaced)
    return replace(plan, shrink=((child, kept, why),), replaced=replaced)
