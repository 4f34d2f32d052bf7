"""One pass over one Specialist: everything observed in, everything to do out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tierwise_core.adapter_status import AdaptersSeen, adapters_verdict, rows
from tierwise_core.children import Child, Rendered, deployment, service
from tierwise_core.conditions import (
    FALSE,
    TRUE,
    Condition,
    Verdict,
    aggregate,
    read_conditions,
    transitions,
)
from tierwise_core.engine import Layout
from tierwise_core.errors import TierwiseError
from tierwise_core.fleet import Pod
from tierwise_core.fleet_plan import FleetVerdict
from tierwise_core.plan import Action, Announce, Apply, Delete, EventType, Plan, PublishStatus
from tierwise_core.rollover import (
    Rollover,
    Wanted,
    applied,
    deployment_actions,
    removal,
    roll_over,
)
from tierwise_core.scaling_status import rescaled
from tierwise_core.serving_verdicts import (
    Engines,
    engines,
    not_started,
    serving_verdict,
    weights_verdict,
)
from tierwise_core.specialist import Reading, ReadingPending, Specialist
from tierwise_core.specialist_status import compose, failed, same_status

OWN_TROUBLE = frozenset({"ApplyRejected", "InternalError", "InvalidSpec", "NameTaken"})

READING_PATIENCE_SECONDS = 2.0
"""A source that answers within this time spares everybody a status that says "reading"."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one pass looks at; ``free_slots`` is the room on the assigned tier for more replicas.

    ``observed`` are parts of the status that are measured and not decided, in wire form.
    """

    specialist: Specialist
    reading: Reading
    fleet: FleetVerdict | None
    deployments: tuple[Child, ...] = ()
    service: Child | None = None
    pods: tuple[Pod, ...] = ()
    free_slots: int = 0
    hf_endpoint: str | None = None
    observed: Mapping[str, Any] = field(default_factory=dict)
    adapters: AdaptersSeen = field(default_factory=AdaptersSeen)


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
    try:
        return _decide(snapshot, snapshot.fleet, now)
    except TierwiseError as error:
        return refuse(specialist, error.reason, str(error), now)


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
    rendered, rollover = _rollout(snapshot, fleet)
    actions = _actions(snapshot, rendered, rollover)
    wanted = rendered.revision if rendered else _newest(snapshot)
    state = engines(specialist, wanted, fleet.wanted, snapshot.pods)
    serving = (
        serving_verdict(specialist, state, _context(snapshot, rendered, rollover))
        if rendered
        else not_started(specialist, fleet.placed, state)
    )
    verdicts = _verdicts(snapshot, fleet, state, serving)
    status, conditions = compose(specialist, fleet, state, verdicts, now)
    adapters = rows(specialist, snapshot.adapters, state.endpoints)
    status |= {**snapshot.observed, **({"adapters": adapters} if adapters else {})}
    return _publish(specialist, status, conditions, actions)


def _external(snapshot: Snapshot, fleet: FleetVerdict, now: datetime) -> Plan:
    specialist = snapshot.specialist
    state = engines(specialist, "", 0, ())
    verdicts = _verdicts(snapshot, fleet, state, serving_verdict(specialist, state))
    status, conditions = compose(specialist, fleet, state, verdicts, now)
    leftovers = [c for c in (*snapshot.deployments, snapshot.service) if c and not c.deleting]
    actions = tuple(removal(child, "spec.external: nothing runs here") for child in leftovers)
    return _publish(specialist, status, conditions, actions)


def _rollout(snapshot: Snapshot, fleet: FleetVerdict) -> tuple[Rendered | None, Rollover]:
    """Return the Deployment that should run and what leaves for it; None when nothing may start."""
    assignment, tier = fleet.assignment, fleet.tier
    if assignment is None or tier is None or fleet.blocked:
        return None, Rollover()
    specialist = snapshot.specialist
    layout = Layout(
        tier, assignment.tensor_parallel, fleet.sizing.context_length_tokens, snapshot.hf_endpoint
    )
    replicas = assignment.replicas
    rendered = deployment(specialist, layout, replicas)
    wanted = Wanted(rendered.revision, replicas, tier.name, snapshot.free_slots)
    rollover = roll_over(wanted, snapshot.deployments, snapshot.pods)
    if rollover.replaced:
        rendered = deployment(specialist, layout, replicas, rollover.replaced)
    return rendered, rollover


def _newest(snapshot: Snapshot) -> str:
    """Return the revision to report on when nothing may start: the one that served last."""
    last = snapshot.specialist.status.get("activeRevision")
    revisions = [child.revision for child in snapshot.deployments]
    return last if last in revisions else next(iter(sorted(revisions)), "")


def _actions(
    snapshot: Snapshot, rendered: Rendered | None, rollover: Rollover
) -> tuple[Action, ...]:
    if rendered is None:
        return ()
    front = applied(service(snapshot.specialist), snapshot.service)
    writes = deployment_actions(rendered, rollover, snapshot.deployments)
    return (*writes, front) if front else writes


def _context(snapshot: Snapshot, rendered: Rendered | None, rollover: Rollover) -> str:
    if rollover.replaced:
        return (
            f"revision {rollover.replaced} left first: the tier has no room for both, "
            "so nothing serves until the new one is ready"
        )
    name = rendered.name if rendered else ""
    failures = [d.failure for d in snapshot.deployments if d.name == name and d.failure]
    return f"its Deployment cannot create pods: {failures[0]}" if failures else ""


def _verdicts(
    snapshot: Snapshot, fleet: FleetVerdict, state: Engines, serving: Verdict
) -> tuple[Verdict, ...]:
    """Return all conditions, ``Ready`` last; an unresolved escalation is told, but not fatal."""
    weights = weights_verdict(snapshot.specialist, snapshot.reading, state)
    adapters = adapters_verdict(snapshot.adapters, state.endpoints)
    must = (_sized(fleet), fleet.placed, weights, serving, *((adapters,) if adapters else ()))
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
    events = (*told, *rescaled(specialist.status, status), *announcements(specialist, conditions))
    return Plan(actions, publish, events, conditions)


def deeds(actions: Iterable[Action]) -> tuple[Announce, ...]:
    """Return an Event for each Deployment that comes, goes or is put right."""
    return tuple(_deed(action) for action in actions if action.kind == "Deployment")


def _deed(action: Action) -> Announce:
    match action:
        case Delete():
            return Announce("Normal", "RevisionRemoved", f"removed {action.name}: {action.reason}")
        case Apply(exists=False):
            return Announce("Normal", "RevisionStarted", f"created Deployment {action.name}")
        case _:
            return Announce("Normal", "Corrected", f"Deployment {action.name}: {action.reason}")


def announcements(specialist: Specialist, conditions: Iterable[Condition]) -> tuple[Announce, ...]:
    """Return an Event for each condition that people want to hear of, one per cause."""
    told: dict[str, Announce] = {}
    for change in transitions(read_conditions(specialist.status), conditions):
        after = change.after
        if _worth_telling(after) and after.reason not in told:
            kind: EventType = "Warning" if after.status == FALSE and _alarms(after) else "Normal"
            told[after.reason] = Announce(kind, after.reason, f"{after.type}: {after.message}")
    return tuple(told.values())


def _worth_telling(condition: Condition) -> bool:
    """Say whether an Event is due: for trouble, and for the two steps that people wait for."""
    if condition.type == "Ready":
        return condition.reason in OWN_TROUBLE  # else it repeats what another condition says
    if condition.status == FALSE:
        return _alarms(condition)
    return condition.status == TRUE and condition.type in {"Placed", "ServingReady"}


def _alarms(condition: Condition) -> bool:
    """Say whether a False condition is trouble rather than a stage on the way."""
    return condition.reason not in {"Loading", "PodsStarting", "ScaledToZero"}
