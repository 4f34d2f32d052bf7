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
from tierwise_core.examining.questions import HeldOutSetError, Question, read_questions
from tierwise_core.rollout.order import Order
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
    judge: str = ""
    instruction: str = ""
    invalid: str = ""


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
        file.name,
        file.key,
        spec.verifier or (JUDGE if spec.judge else VERIFIERS[what]),
        usual if spec.tolerance is None else spec.tolerance,
        spec.max_questions,
        spec.max_tokens,
        spec.concurrency,
        spec.judge.specialist if spec.judge else "",
        spec.judge.instruction if spec.judge else "",
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
    there = await cluster.get(CONFIG_MAP, wanted.namespace, wanted.name)
    if there is None:
        raise HeldOutSetError(f"{where} does not exist; create it, or correct the name")
    files = there.get("data") or {}
    if wanted.key not in files:
        keys = ", ".join(sorted(files)[:LISTED]) or "nothing"
        raise HeldOutSetError(f"{where} has no key {wanted.key}; it has {keys}")
    try:
        found = read_questions(files[wanted.key], wanted.verifier, wanted.max_questions)
    except HeldOutSetError as error:
        raise HeldOutSetError(f"{where}, key {wanted.key}: {error}") from None
    if not wanted.judge and any(one.expected.check == JUDGE for one in found):
        raise HeldOutSetError(
            f"{wanted.at}.judge.specialist: questions are to be judged by a model, and none is "
            "named; give one as NAMESPACE/NAME"
        )
    return found
