"""Events for people: what came, what went, what moved, and what troubles there are."""

from collections.abc import Iterable

from tierwise_core.conditions import FALSE, TRUE, Condition, read_conditions, transitions
from tierwise_core.plan import Action, Announce, Apply, Delete, EventType, Scale
from tierwise_core.specialist import Specialist

__all__ = ["announcements", "deeds"]

OWN_TROUBLE = frozenset({"ApplyRejected", "InternalError", "InvalidSpec", "NameTaken"})
QUIET = frozenset(
    {"CacheFetching", "Loading", "NotAdmitted", "PodsStarting", "ScaledToZero", "WaitsForBlue"}
)
TOLD = frozenset({"Deployment", "LeaderWorkerSet", "Rollout"})


def deeds(actions: Iterable[Action]) -> tuple[Announce, ...]:
    """Return an Event for each Deployment that comes, goes or is put right, and each Rollout."""
    return tuple(_deed(action) for action in actions if action.kind in TOLD)


def _deed(action: Action) -> Announce:
    match action:
        case Apply(kind="Rollout"):
            return Announce("Normal", "RolloutCreated", f"{_named(action)}: {action.reason}")
        case Delete():
            return Announce("Normal", "RevisionRemoved", f"removed {action.name}: {action.reason}")
        case Apply(exists=False):
            return Announce("Normal", "RevisionStarted", f"created {action.kind} {action.name}")
        case Scale():
            return Announce("Normal", "GaveWay", f"{_named(action)}: {action.reason}")
        case _:
            return Announce("Normal", "Corrected", f"{_named(action)}: {action.reason}")


def _named(action: Action) -> str:
    return f"{action.kind} {action.name}"


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
    return condition.reason not in QUIET
