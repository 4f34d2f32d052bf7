"""A Specialist's place in the graph: its parent, and where its requests escalate to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tierwise_core.conditions import FALSE, TRUE, Verdict
from tierwise_core.graph import leads_into_cycle, listed, unknown_names
from tierwise_core.specialist import Specialist

ESCALATION = "EscalationResolved"

Family = Mapping[str, str | None]
"""The Specialists of one namespace: name -> parent."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What is wrong with a Specialist's parent, and whether its escalation leads somewhere."""

    parent: Verdict | None = None
    escalation: Verdict | None = None


def family_of(specialists: Iterable[Specialist]) -> dict[str, dict[str, str | None]]:
    """Return each namespace's Specialists with their parents."""
    families: dict[str, dict[str, str | None]] = {}
    for specialist in specialists:
        families.setdefault(specialist.namespace, {})[specialist.name] = specialist.parent
    return families


def lineage(specialist: Specialist, family: Family) -> Lineage:
    """Return what the graph says about one Specialist."""
    return Lineage(_parent_problem(specialist, family), _escalation(specialist, family))


def _parent_problem(specialist: Specialist, family: Family) -> Verdict | None:
    if specialist.parent is None:
        return None
    if specialist.parent not in family:
        return Verdict(
            "Placed",
            FALSE,
            "ParentNotFound",
            f"spec.parent: {specialist.parent!r} is no Specialist of namespace "
            f"{specialist.namespace!r}; there are {_others(specialist, family)}",
        )
    cycle = leads_into_cycle(specialist.name, family)
    if not cycle:
        return None
    return Verdict(
        "Placed",
        FALSE,
        "ParentCycle",
        f"spec.parent: {specialist.parent!r} leads in a circle ({' -> '.join(cycle)}); one of them "
        "must have another parent or none",
    )


def _escalation(specialist: Specialist, family: Family) -> Verdict | None:
    if not specialist.escalate_to:
        return None
    unknown = unknown_names(specialist.escalate_to, family)
    if not unknown:
        message = f"spec.routing.escalateTo: {listed(specialist.escalate_to)} can be asked"
        return Verdict(ESCALATION, TRUE, "Resolved", message)
    return Verdict(
        ESCALATION,
        FALSE,
        "UnknownSpecialist",
        f"spec.routing.escalateTo: {listed(unknown)} is no Specialist of namespace "
        f"{specialist.namespace!r}, so requests pass over it; there are "
        f"{_others(specialist, family)}",
    )


def _others(specialist: Specialist, family: Family) -> str:
    return listed(set(family) - {specialist.name})
