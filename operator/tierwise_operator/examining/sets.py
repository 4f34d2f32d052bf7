"""Which held-out sets a Rollout is examined with: its own, else those of its field's profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import ValidationError

from tierwise_api.base import problems
from tierwise_api.rollout_examination import FieldHeldOutSet
from tierwise_core.examining.questions import HeldOutSetError, Question, read_questions
from tierwise_core.field_profiles import judgement_of
from tierwise_core.rollout.order import Order
from tierwise_core.utility import noticeable_change
from tierwise_operator.cluster import Cluster
from tierwise_operator.kinds import CONFIG_MAP

__all__ = ["WantedSet", "What", "read_set", "wanted_sets"]

What = Literal["benchmark", "safety"]
WHATS: Final[tuple[What, ...]] = ("benchmark", "safety")
VERIFIERS: Final[Mapping[What, str]] = {"benchmark": "exact", "safety": "refusal"}
LISTED: Final = 5


@dataclass(frozen=True, slots=True)
class WantedSet:
    """A set as a Rollout is examined with it, defaults filled in; ``at`` is the field that says so.

    ``invalid`` says why it cannot be: then nothing else of it counts.
    """

    what: What
    at: str
    namespace: str = ""
    name: str = ""
    key: str = ""
    verifier: str = "exact"
    tolerance: float = 0.0
    max_questions: int = 500
    max_tokens: int = 256
    concurrency: int = 4
    invalid: str = ""


def wanted_sets(
    order: Order, field: str, profile: Mapping[str, Any] | None = None
) -> dict[What, WantedSet]:
    """Return what a Rollout is examined with; ``profile`` is its field's FieldProfile.spec."""
    strategy, profile = order.spec.get("strategy") or {}, profile or {}
    penalty = profile.get("penaltyMultiplier") or judgement_of(field).penalty
    delta = {"benchmark": noticeable_change(float(penalty)), "safety": 0.0}
    found = {}
    for what in WHATS:
        if own := strategy.get(what):
            found[what] = _wanted(what, own, f"spec.strategy.{what}", order, delta[what])
        elif shared := profile.get(what):
            at = f"FieldProfile {field}: spec.{what}"
            found[what] = _wanted(what, shared, at, order, delta[what])
    return found


def _wanted(what: What, given: Mapping[str, Any], at: str, order: Order, delta: float) -> WantedSet:
    try:
        spec = FieldHeldOutSet.model_validate(dict(given), extra="ignore")
    except ValidationError as error:
        return WantedSet(what, at, invalid="; ".join(problems(error)))
    file = spec.config_map
    return WantedSet(
        what,
        at,
        file.namespace or order.namespace,
        file.name,
        file.key,
        spec.verifier or VERIFIERS[what],
        delta if spec.tolerance is None else spec.tolerance,
        spec.max_questions,
        spec.max_tokens,
        spec.concurrency,
    )


async def read_set(cluster: Cluster, wanted: WantedSet) -> tuple[Question, ...]:
    """Read the questions.

    Raises:
        HeldOutSetError: there is no such file, or it makes no sense; the message names the field.
        ClusterError: the API server did not answer, or will not let the operator read it.
    """
    if wanted.invalid:
        raise HeldOutSetError(f"{wanted.at}: {wanted.invalid}")
    where = f"{wanted.at}.configMap: ConfigMap {wanted.namespace}/{wanted.name}"
    found = await cluster.get(CONFIG_MAP, wanted.namespace, wanted.name)
    if found is None:
        raise HeldOutSetError(f"{where} does not exist; create it, or correct the name")
    files = found.get("data") or {}
    if wanted.key not in files:
        there = ", ".join(sorted(files)[:LISTED]) or "nothing"
        raise HeldOutSetError(f"{where} has no key {wanted.key}; it has {there}")
    try:
        return read_questions(files[wanted.key], wanted.verifier, wanted.max_questions)
    except HeldOutSetError as error:
        raise HeldOutSetError(f"{where}, key {wanted.key}: {error}") from None
