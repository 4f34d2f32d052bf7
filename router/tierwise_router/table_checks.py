"""Names in resources that lead nowhere: harmless to others, but less happens than was meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from tierwise_api import FieldProfile, GPUTier, Specialist
from tierwise_core.policy_contents import EVERYBODY, ContentsPolicy
from tierwise_core.policy_decision import DecisionPolicy
from tierwise_core.verifier_spec import BUILT_IN, VerifierSpec, resolve_verifiers
from tierwise_router.problem import Problem
from tierwise_router.scorers import GROUP, known_scorers

__all__ = [
    "contents_problems",
    "dangling",
    "decision_problems",
    "full_name",
    "placed_on",
    "unknown_verifiers",
]

DEFAULT_NAMESPACE = "default"


def full_name(owner: Specialist, name: str) -> str:
    """Give the full name of what a Specialist names in its own namespace."""
    return f"{owner.metadata.namespace or DEFAULT_NAMESPACE}/{name}"


def placed_on(item: Specialist) -> str:
    """Name the tier that has most of its replicas; empty while it has none."""
    placement = item.status.placement
    return (placement.tier if placement is not None else None) or ""


def dangling(
    tiers: Mapping[str, GPUTier], specialists: Mapping[str, Specialist]
) -> Iterator[Problem]:
    """Find tiers, parents and escalations that do not exist: the way is shorter than meant."""
    for name, tier in tiers.items():
        if tier.spec.escalate_to is not None and tier.spec.escalate_to not in tiers:
            yield _leads_nowhere(f"GPUTier {name}", "escalateTo", tier.spec.escalate_to)
    for key, item in specialists.items():
        title, spec = f"Specialist {key}", item.spec
        if spec.parent is not None and full_name(item, spec.parent) not in specialists:
            yield _leads_nowhere(title, "parent", spec.parent)
        for index, target in enumerate(spec.routing.escalate_to):
            if full_name(item, target) not in specialists:
                yield _leads_nowhere(title, f"routing.escalateTo[{index}]", target)
        placed = placed_on(item)
        if spec.external is None and placed and placed not in tiers:
            remedy = "no GPUTier of that name is known, so calls count as free; create it"
            yield Problem(title, "status.placement.tier", repr(placed), remedy)


def unknown_verifiers(
    specialists: Mapping[str, Specialist],
    profiles: Mapping[str, FieldProfile],
    described: tuple[VerifierSpec, ...],
) -> Iterator[Problem]:
    """Find verifiers that nobody has described: answers then pass without that check."""
    known = ", ".join(sorted({*BUILT_IN, *(spec.name for spec in described)}))
    remedy = (
        f"no verifier of that name is known; use one of {known}, or describe it in the "
        "RouterPolicy's spec.decision.verifiers"
    )
    named = [
        *(
            (f"Specialist {key}", "routing.", one.spec.routing.verifiers)
            for key, one in specialists.items()
        ),
        *((f"FieldProfile {key}", "", one.spec.verifiers) for key, one in profiles.items()),
    ]
    for title, place, names in named:
        for name in resolve_verifiers(names, described)[1]:
            yield Problem(title, f"spec.{place}verifiers[{names.index(name)}]", repr(name), remedy)


def decision_problems(
    policy: DecisionPolicy, policy_name: str, specialists: Mapping[str, Specialist]
) -> Iterator[Problem]:
    """Find scorers that no package brings, and judges that do not exist."""
    title = f"RouterPolicy {policy_name}"
    known = known_scorers()
    for index, scorer in enumerate(policy.scorers):
        if scorer.name not in known:
            remedy = (
                f"no scorer of that name is installed, so it counts for nothing; use one of "
                f"{', '.join(sorted(known))}, or a package with the entry point {GROUP}"
            )
            where = f"spec.decision.scorers[{index}].name"
            yield Problem(title, where, repr(scorer.name), remedy)
    for index, verifier in enumerate(policy.verifiers):
        if verifier.kind == "llm-judge" and verifier.specialist not in specialists:
            where = f"spec.decision.verifiers[{index}].llmJudge.specialist"
            remedy = "nothing of that name is known, so it accepts nothing; create it, name another"
            yield Problem(title, where, repr(verifier.specialist), remedy)


def contents_problems(
    policy: ContentsPolicy,
    policy_name: str,
    tenants: Collection[str],
    specialists: Mapping[str, Specialist],
) -> Iterator[Problem]:
    """Find tenants and fields whose contents are to be kept, and that do not exist."""
    title = f"RouterPolicy {policy_name}"
    for index, name in enumerate(policy.tenants):
        if name != EVERYBODY and name not in tenants:
            yield _leads_nowhere(title, f"contents.tenants[{index}]", name)
    fields = {item.spec.field for item in specialists.values()}
    for index, name in enumerate(policy.fields):
        if name not in fields:
            yield _leads_nowhere(title, f"contents.fields[{index}]", name)


def _leads_nowhere(title: str, name: str, target: str) -> Problem:
    remedy = "nothing of that name is known; create it, name another, or leave the field out"
    return Problem(title, f"spec.{name}", repr(target), remedy)
