"""Which Specialists to try for a question, in which order.

An :class:`~tierwise_core.itinerary.Itinerary` depends on the route table alone. :func:`plan` lays
one question over it (:mod:`tierwise_core.selection`). Whoever lost is kept with the reason; rows
and records are made of it when somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Final

from tierwise_core import swift
from tierwise_core.acceptance import AcceptanceModel
from tierwise_core.decision_record import CandidateRecord
from tierwise_core.field_reading import FieldReading
from tierwise_core.itinerary import (
    Itinerary,
    itineraries,
    itinerary_of_unknown,
    stand_ins,
)
from tierwise_core.plan_context import PLAIN_CONTEXT, PlanContext
from tierwise_core.policy_decision import DecisionPolicy
from tierwise_core.query_features import QueryFeatures
from tierwise_core.route_table import Route
from tierwise_core.scoring import Weighted
from tierwise_core.selection import (
    DEFAULT_SCORING,
    NO_RECORD,
    UNLIMITED,
    Judged,
    Lost,
    Question,
    facts,
    select,
)
from tierwise_core.spending import Limits

__all__ = [
    "MAX_HOPS",
    "CascadePlan",
    "FieldReading",
    "Hop",
    "Itinerary",
    "Question",
    "Skip",
    "itineraries",
    "itinerary_of_unknown",
    "plan",
    "stand_ins",
]

MAX_HOPS: Final = DecisionPolicy().max_hops
"""The most Specialists that one request may be sent to, where no policy says otherwise."""


@swift.dataclass(frozen=True, slots=True)
class Hop:
    """One Specialist to try: what is expected of it, the floor it must reach, why it is here.

    ``own_field`` is its field where it is asked as the field's Specialist, None where it takes
    over. ``expected_usd`` is what asking it is expected to cost.
    """

    route: Route
    predicted_confidence: float
    floor: float
    reason: str
    own_field: str | None = None
    expected_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Skip:
    """A Specialist that is not tried, and why; ``code`` is a word that programs can compare."""

    route_name: str
    reason: str
    code: str = ""


@swift.dataclass(frozen=True, slots=True)
class CascadePlan:
    """The hops of one request in the order to try them.

    No hops means that nobody may answer: the request is refused with ``skipped`` as the reasons.
    Either every hop has a ready endpoint, or is asleep and can be woken, or none has one and nobody
    better exists. ``chosen`` are the hops' stops as they were judged, ``lost`` all the others.
    """

    field: str | None
    field_confidence: float
    hops: tuple[Hop, ...]
    question: Question = dataclass_field(compare=False, repr=False)
    chosen: list[Judged] = dataclass_field(compare=False, repr=False)
    lost: list[Lost] = dataclass_field(compare=False, repr=False)

    @property
    def skipped(self) -> tuple[Skip, ...]:
        """Everyone who lost, with the reason; made anew on each use."""
        lost = (Skip(judged.stop.key, why, code) for judged, code, why in self.lost)
        elsewhere = self.question.way.elsewhere
        return (*(Skip(k, f"its field is {f!r}", "elsewhere") for k, f in elsewhere), *lost)

    @property
    def candidates(self) -> tuple[CandidateRecord, ...]:
        """Everyone who could have answered, with every score; made anew on each use."""
        return tuple(CandidateRecord(**row) for row in self.candidate_rows())

    def candidate_rows(self) -> list[dict[str, Any]]:
        """Tell the same as rows of JSON, those who were chosen first."""
        question = self.question
        rows = [_row(question, judged, "") for judged in self.chosen]
        if self.lost:
            rows += [_row(question, judged, why) for judged, _code, why in self.lost]
        return rows


def plan(  # noqa: PLR0913 - everything that a plan follows from
    way: Itinerary,
    reading: FieldReading,
    *,
    floor: float | None = None,
    acceptance: AcceptanceModel = NO_RECORD,
    features: QueryFeatures | None = None,
    context: PlanContext = PLAIN_CONTEXT,
    scoring: Weighted = DEFAULT_SCORING,
    limits: Limits = UNLIMITED,
) -> CascadePlan:
    """Choose the hops of one question.

    A Specialist of the field must be confident enough beforehand, and the best score is asked
    first; those that escalation leads to are asked in its order, when nobody else is sure.
    ``floor`` raises every floor, and lowers none: floors are the platform's policy.
    """
    question = Question(way, reading, floor, acceptance, features, context, scoring, limits)
    lost: list[Lost] = []
    chosen = select(question, lost)
    hops = tuple([_hop(one) for one in chosen])
    return CascadePlan(way.field, reading.confidence, hops, question, chosen, lost)


def _hop(judged: Judged) -> Hop:
    stop = judged.stop
    return Hop(
        stop.route,
        judged.prediction.probability,
        judged.floor,
        stop.reason,
        stop.own_field,
        judged.usd,
    )


def _row(question: Question, judged: Judged, lost: str) -> dict[str, Any]:
    """Tell a candidate as :class:`~tierwise_core.decision_record.CandidateRecord` has it."""
    stop, prediction, floor, usd = judged.stop, judged.prediction, judged.floor, judged.usd
    looked_at = facts(question, judged)
    scores, total = {}, 0.0
    for name, scorer, weight in question.scoring.parts:
        scores[name] = value = scorer(looked_at)
        total += weight * value
    return {
        "specialist": stop.key,
        "tier": stop.tier,
        "revision": stop.revision,
        "predicted": prediction.probability,
        "lower": prediction.lower,
        "support": prediction.support,
        "floor": floor,
        "expected_usd": usd,
        "scores": scores,
        "total": total,
        "why": stop.reason,
        "lost": lost,
    }
