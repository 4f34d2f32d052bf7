"""One pass over one Specialist: everything observed in, everything to do out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tierwise_core.adapter_status import adapters_verdict, rows
from tierwise_core.admission import admitted_verdict
from tierwise_core.announcing import announcements, deeds
from tierwise_core.burst import rebased
from tierwise_core.children import service
from tierwise_core.conditions import Condition, Verdict, aggregate
from tierwise_core.deprecation import provider_verdict
from tierwise_core.engine import Layout
from tierwise_core.engines import Engines, Troupe, engines, troupe
from tierwise_core.errors import TierwiseError
from tierwise_core.fleet_plan import FleetVerdict
from tierwise_core.healing import applied, removal
from tierwise_core.lasting import lasting
from tierwise_core.leader_worker_set import MissingLeaderWorkerSetError
from tierwise_core.moves import last_move, moved
from tierwise_core.plan import Action, Plan, PublishStatus
from tierwise_core.rollover import Rollover, Situation, roll_over
from tierwise_core.scaling_status import rescaled
from tierwise_core.serving_verdicts import not_started, serving_verdict, weights_verdict
from tierwise_core.snapshot import Snapshot
from tierwise_core.specialist import Reading, ReadingPending, Specialist
from tierwise_core.specialist_status import compose, failed, same_status
from tierwise_core.staging import Staged, marks, stage, workload_actions

__all__ = ["READING_PATIENCE_SECONDS", "Snapshot", "decide", "refuse"]

INSTALLATION_PATIENCE_SECONDS = 30.0
ADMISSION_PATIENCE_SECONDS = 10.0
READING_PATIENCE_SECONDS = 2.0
"""A source that answers within this time spares everybody a status that says "reading"."""


def decide(snapshot: Snapshot, now: datetime) -> Plan:
    """Return what to do about a Specialist; nothing, when it is as it should be."""
    specialist = snapshot.specialist
    if specialist.deleting:
        return Plan()
    if specialist.invalid is not None:
        return refuse(specialist, "InvalidSpec", specialist.invalid, now)
    if specialist.model and _patient(snapshot.reading):
        return Plan(recheck_seconds=READING_PATIENCE_SECONDS)
    if snapshot.fleet is None or _planned_before_reading(snapshot.reading, snapshot.fleet):
        return Plan()  # the fleet is being planned, which asks for another pass
    return _checked(snapshot, snapshot.fleet, now)


def _checked(snapshot: Snapshot, fleet: FleetVerdict, now: datetime) -> Plan:
    """Return the plan, or why there can be none; look again at what nothing tells of."""
    again = None
    try:
        plan = _decide(snapshot, fleet, now)
    except TierwiseError as error:
        plan = refuse(snapshot.specialist, error.reason, str(error), now)
        if isinstance(error, MissingLeaderWorkerSetError):
            again = INSTALLATION_PATIENCE_SECONDS
    if any(pod.gates for pod in snapshot.pods):
        again = ADMISSION_PATIENCE_SECONDS  # what Kueue says of them changes
    return replace(plan, recheck_seconds=again) if again else plan


def _planned_before_reading(reading: Reading, fleet: FleetVerdict) -> bool:
    pending = isinstance(fleet.sizing.reading, ReadingPending)
    return pending and not isinstance(reading, ReadingPending)


def _patient(reading: Reading) -> bool:
    return isinstance(reading, ReadingPending) and reading.waited_seconds < READING_PATIENCE_SECONDS


def refuse(specialist: Specialist, reason: str, message: str, now: datetime) -> Plan:
    """Return a plan that touches no child and says why in ``Ready``."""
    status, conditions = failed(specialist, reason, message, now)
    return _publish(specialist, status, conditions, ())


def _decide(snapshot: Snapshot, fleet: FleetVerdict, now: datetime) -> Plan:
    specialist = snapshot.specialist
    if specialist.external is not None:
        return _external(snapshot, fleet, now)
    staged, rollover = _rollout(snapshot, fleet)
    state = engines(specialist, _members(snapshot, staged), fleet.wanted, snapshot.pods)
    serving = (
        serving_verdict(specialist, state, _context(snapshot, staged, rollover, state))
        if staged
        else not_started(specialist, fleet.placed, state)
    )
    admitted = admitted_verdict(staged, snapshot.pods, snapshot.admission)
    verdicts = _verdicts(snapshot, fleet, state, serving, admitted)
    status, conditions = compose(specialist, fleet, state, verdicts, now)
    move = last_move(specialist, fleet.moves, snapshot, now)
    if move:
        status["placement"] = {**status.get("placement", {}), "lastMove": move}
    adapters = rows(specialist, snapshot.adapters, state.endpoints)
    status |= {**snapshot.observed, **({"adapters": adapters} if adapters else {})}
    return _publish(specialist, status, conditions, _actions(snapshot, staged, rollover))


def _external(snapshot: Snapshot, fleet: FleetVerdict, now: datetime) -> Plan:
    specialist = snapshot.specialist
    state = engines(specialist, Troupe(), 0, ())
    *others, ready = _verdicts(snapshot, fleet, state, serving_verdict(specialist, state))
    supported = _supported(specialist, now)
    verdicts = (*others, *supported, ready)  # of use to the last day, so that Ready stays
    status, conditions = compose(specialist, fleet, state, verdicts, now)
    leftovers = [c for c in (*snapshot.deployments, snapshot.service) if c and not c.deleting]
    actions = tuple(removal(child, "spec.external: nothing runs here") for child in leftovers)
    return _publish(specialist, status, conditions, actions)


def _supported(specialist: Specialist, now: datetime) -> tuple[Verdict, ...]:
    external = specialist.external
    if external is None:
        return ()
    verdict = provider_verdict(external.model, external.terms, now.date())
    return (verdict,) if verdict is not None else ()


def _rollout(snapshot: Snapshot, fleet: FleetVerdict) -> tuple[tuple[Staged, ...], Rollover]:
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


def _actions(
    snapshot: Snapshot, staged: Sequence[Staged], rollover: Rollover
) -> tuple[Action, ...]:
    if not staged:
        return ()
    front = applied(service(snapshot.specialist), snapshot.service)
    writes = workload_actions(snapshot.specialist, staged, rollover, snapshot.deployments)
    marked = marks(snapshot.pods, snapshot.departing)
    return (*marked, *writes, front) if front else (*marked, *writes)


def _context(
    snapshot: Snapshot, staged: Sequence[Staged], rollover: Rollover, state: Engines
) -> str:
    for old in rollover.replaced.values():
        first = f"revision {old} left first: the tier has no room for both"
        if state.endpoints:
            return f"{first}, so one replica at a time is replaced"
        return f"{first}, so nothing serves until the new one is ready"
    names = {each.revision.name for each in staged}
    failures = [d.failure for d in snapshot.deployments if d.name in names and d.failure]
    return f"its Deployment cannot create pods: {failures[0]}" if failures else ""


def _verdicts(
    snapshot: Snapshot,
    fleet: FleetVerdict,
    state: Engines,
    serving: Verdict,
    admitted: Verdict | None = None,
) -> tuple[Verdict, ...]:
    """Return all conditions, ``Ready`` last; an unresolved escalation is told, but not fatal."""
    weights = weights_verdict(snapshot.specialist, snapshot.reading, state)
    adapters = adapters_verdict(snapshot.adapters, state.endpoints)
    all_of_them = (_sized(fleet), fleet.placed, admitted, weights, serving, adapters)
    must = tuple(verdict for verdict in all_of_them if verdict)
    told = (fleet.escalation,) if fleet.escalation else ()
    return (*must, *told, aggregate(must, serving.message))


def _sized(fleet: FleetVerdict) -> Verdict:
    return fleet.sizing.verdict


def _publish(
    specialist: Specialist,
    status: dict[str, object],
    conditions: tuple[Condition, ...],
    actions: tuple[Action, ...],
) -> Plan:
    told = deeds(actions)
    if same_status(status, specialist.status):
        return Plan(actions=actions, events=told, conditions=conditions)
    ready = conditions[-1]
    publish = PublishStatus(
        "Specialist",
        specialist.namespace,
        specialist.name,
        status,
        f"Ready is {ready.status}: {ready.reason}",
    )
    was = specialist.status
    news = (*moved(was, status), *rescaled(was, status), *rebased(was, status))
    events = (*told, *news, *announcements(specialist, conditions))
    return Plan(actions, publish, events, conditions)
