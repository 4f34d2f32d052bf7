"""One pass over one Specialist: everything observed in, everything to do out."""

from dataclasses import replace
from datetime import datetime

from tierwise_core.adapter_status import adapters_verdict, rows
from tierwise_core.admission import admitted_verdict
from tierwise_core.announcing import announcements, deeds
from tierwise_core.burst import rebased
from tierwise_core.conditions import Condition, Verdict, aggregate
from tierwise_core.deprecation import provider_verdict
from tierwise_core.engines import Engines, Troupe, engines
from tierwise_core.errors import TierwiseError
from tierwise_core.fleet_plan import FleetVerdict
from tierwise_core.healing import removal
from tierwise_core.kstatus import under_way, with_health
from tierwise_core.leader_worker_set import MissingLeaderWorkerSetError
from tierwise_core.moves import last_move, moved
from tierwise_core.plan import Action, Plan, PublishStatus
from tierwise_core.scaling_status import rescaled
from tierwise_core.serving_verdicts import not_started, serving_verdict, weights_verdict
from tierwise_core.side_view import SideView, views
from tierwise_core.sides_report import (
    lacking_adapters,
    rollout_verdicts,
    side_actions,
    sides_status,
)
from tierwise_core.snapshot import Snapshot
from tierwise_core.specialist import Reading, ReadingPending, Specialist
from tierwise_core.specialist_status import compose, failed, same_status

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
    seen = views(snapshot, fleet)
    blue, state = seen.blue, seen.blue.state
    serving = (
        serving_verdict(specialist, state, _context(blue))
        if blue.staged
        else not_started(specialist, fleet.placed, state)
    )
    admitted = admitted_verdict(blue.staged, blue.snapshot.pods, snapshot.admission)
    verdicts = _verdicts(blue.snapshot, fleet, state, serving, admitted)
    verdicts = (*verdicts[:-1], *rollout_verdicts(snapshot.sides), verdicts[-1])
    verdicts = with_health(verdicts, under_way(snapshot.sides))
    status, conditions = compose(specialist, fleet, state, verdicts, now)
    move = last_move(specialist, fleet.moves, blue.snapshot, now)
    if move:
        status["placement"] = {**status.get("placement", {}), "lastMove": move}
    adapters = rows(specialist, blue.snapshot.adapters, state.endpoints)
    adapters = lacking_adapters(adapters, seen)
    status |= {**snapshot.observed, **({"adapters": adapters} if adapters else {})}
    status |= sides_status(snapshot.sides, seen, status.get("endpoints") or [])
    return _publish(specialist, status, conditions, side_actions(snapshot, seen))


def _external(snapshot: Snapshot, fleet: FleetVerdict, now: datetime) -> Plan:
    specialist = snapshot.specialist
    state = engines(specialist, Troupe(), 0, ())
    *others, ready = _verdicts(snapshot, fleet, state, serving_verdict(specialist, state))
    supported = _supported(specialist, now)
    verdicts = with_health(
        (*others, *supported, ready)
    )  # of use to the last day, so that Ready stays
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


def _context(blue: SideView) -> str:
    for old in blue.rollover.replaced.values():
        first = f"revision {old} left first: the tier has no room for both"
        if blue.state.endpoints:
            return f"{first}, so one replica at a time is replaced"
        return f"{first}, so nothing serves until the new one is ready"
    names = {each.revision.name for each in blue.staged}
    live = blue.snapshot.deployments
    failures = [child.failure for child in live if child.name in names and child.failure]
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
