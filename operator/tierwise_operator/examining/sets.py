"""Which held-out sets a Rollout is examined with: its own, else those of its field's profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import ValidationError

from tierwise_api.base import problems
from tierwise_api.fieldprofile import FieldProfileSpec
from tierwise_api.rollout_examination import HeldOutSet
from tierwise_api.rollout_wish import judgement_by
from tierwise_core.examining.judging import JUDGE
from tierwise_core.rollout.order import Order

__all__ = ["WantedSet", "What", "wanted_sets"]

What = Literal["benchmark", "safety"]
WHATS: Final[tuple[What, ...]] = ("benchmark", "safety")
VERIFIERS: Final[Mapping[What, str]] = {"benchmark": "exact", "safety": "refusal"}


@dataclass(frozen=True, slots=True)
class WantedSet:
    """A set as a Rollout is examined with it, defaults filled in; ``at`` is the field that says so.

    It is the file ``key`` of the ConfigMap ``name``, or the file at ``source``; ``namespace`` is
    that of the ConfigMap, or of the source's Secret or claim. ``invalid`` says why it cannot be:
    then nothing else of it counts.
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
    judge: str = ""
    instruction: str = ""
    invalid: str = ""
    source: str = ""
    revision: str = ""
    secret_name: str = ""


def wanted_sets(
    order: Order, field: str, profile: FieldProfileSpec | None = None
) -> dict[What, WantedSet]:
    """Return what a Rollout is examined with: what it names itself, else what its field does."""
    strategy = order.spec.get("strategy") or {}
    counts = judgement_by(profile, field).noticeable_change
    found: dict[What, WantedSet] = {}
    for what in WHATS:
        shared = getattr(profile, what, None)
        at = f"spec.strategy.{what}" if strategy.get(what) else f"FieldProfile {field}: spec.{what}"
        try:
            own = strategy.get(what) and HeldOutSet.model_validate(strategy[what], extra="ignore")
        except ValidationError as error:
            found[what] = WantedSet(what, at, invalid="; ".join(problems(error)))
            continue
        if given := own or shared:
            usual = counts if what == "benchmark" else 0.0
            found[what] = _wanted(what, given, at, order.namespace, usual)
    return found


def _wanted(what: What, spec: HeldOutSet, at: str, namespace: str, usual: float) -> WantedSet:
    """Fill in what is left out; ``usual`` is the tolerance where none is given."""
    file = spec.config_map
    return WantedSet(
        what,
        at,
        getattr(file, "namespace", None) or namespace,
        file.name if file else "",
        file.key if file else "",
        spec.verifier or (JUDGE if spec.judge else VERIFIERS[what]),
        usual if spec.tolerance is None else spec.tolerance,
        spec.max_questions,
        spec.max_tokens,
        spec.concurrency,
        spec.judge.specialist if spec.judge else "",
        spec.judge.instruction if spec.judge else "",
        source=spec.source or "",
        revision=spec.revision or "",
        secret_name=spec.secret_ref.name if spec.secret_ref else "",
    )
