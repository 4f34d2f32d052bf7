"""Which Specialists to try for a question, in which order.

An :class:`~tierwise_core.itinerary.Itinerary` depends on the route table alone. :func:`plan` lays
one question over it: filter, predict, score, pick. Whoever lost is kept with the reason; rows and
records are made of it when somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Final, NamedTuple

from tierwise_core import swift
from tierwise_core.acceptance import AcceptanceModel, Prediction
from tierwise_core.confidence import best_confidence
from tierwise_core.decision_record import CandidateRecord
from tierwise_core.field_reading import FieldReading
from tierwise_core.itinerary import (
    Itinerary,
    Stop,
    itineraries,
    itinerary_of_unknown,
    stand_ins,
)
from tierwise_core.plan_context import IDLE, PLAIN_CONTEXT, LoadSignal, PlanContext
from tierwise_core.policy_decision import DecisionPolicy
from tierwise_core.provider import refusal
from tierwise_core.query_features import QueryFeatures
from tierwise_core.route_table import Route
from tierwise_core.scoring import BUILT_IN_SCORERS, Facts, Weighted
from tierwise_core.spending import Limits, call_usd

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

DEFAULT_SCORING: Final = Weighted.of(DecisionPolicy().scorers, BUILT_IN_SCORERS)
NO_RECORD: Final = AcceptanceModel.empty()
UNLIMITED: Final = Limits.of(DecisionPolicy(), PLAIN_CONTEXT)


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
class Question:
    """Everything that a plan follows from; the same question gives the same plan."""

    way: Itinerary
    reading: FieldReading
    floor: float | None = None
    acceptance: AcceptanceModel = NO_RECORD
    features: QueryFeatures | None = None
    context: PlanContext = PLAIN_CONTEXT
    scoring: Weighted = DEFAULT_SCORING
    limits: Limits = UNLIMITED


class Judged(NamedTuple):
    """A stop with what is expected of it for one question; ``total`` is its score, in its field.

    ``signal`` is its load when the plan was made: the live one goes on changing.
    """

    stop: Stop
    prediction: Prediction
    floor: float
    usd: float
    signal: LoadSignal = IDLE
    total: float | None = None


Lost = tuple[Judged, str, str]
"""A stop that is not tried: a word for programs, and the reason in words."""


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
    chosen = _select(question, lost)
    hops = tuple([_hop(one) for one in chosen])
    return CascadePlan(way.field, reading.confidence, hops, question, chosen, lost)


def _select(question: Question, lost: list[Lost]) -> list[Judged]:
    """Choose whom to ask, in order; everybody else goes to ``lost`` on the way."""
    way = question.way
    first = _eligible(question, way.in_field, lost)
    if way.gated:
        first = _confident(first, lost)
    if len(first) > 1:
        first = _ranked(question, first)
    chosen = first + _onward(question, lost)
    chosen = _open(chosen, lost)
    if len(chosen) > 1:
        chosen = _able(chosen, lost)
    return _bounded(chosen, question.limits.max_hops, lost)


def _eligible(question: Question, stops: tuple[Stop, ...], lost: list[Lost]) -> list[Judged]:
    """Judge the stops, and leave out who may not answer: tenant, context, price, requirements."""
    found = []
    for stop in stops:
        judged = judge(question, stop)
        why = _refusal(question, judged)
        if why is None:
            found.append(judged)
        else:
            lost.append((judged, *why))
    return found


def judge(question: Question, stop: Stop) -> Judged:
    """Say what is expected of a stop for this question."""
    context, acceptance, route = question.context, question.acceptance, stop.route
    prediction = acceptance.predict(
        stop.key, stop.revision, question.reading, question.features, stop.own_field
    )
    floor = acceptance.floor_for(
        stop.key, stop.revision, route.confidence_floor, route.loosened_floor
    )
    if question.floor is not None and question.floor > floor:
        floor = question.floor
    usd = stop.usd
    if context.prompt_tokens and route.price.output_usd_per_token:
        usd = call_usd(route.price, context.prompt_tokens, context.output_tokens)
    return Judged(stop, prediction, floor, usd, context.loads.get(stop.key, IDLE))


def _refusal(question: Question, judged: Judged) -> tuple[str, str] | None:
    """Say why a stop may not be asked at all; None when it may."""
    context, stop = question.context, judged.stop
    if context.allowed is not None and stop.key not in context.allowed:
        return "tenant", "the tenant may not ask it"
    needs = context.requirements
    if needs is not None and (why := refusal(stop.route, needs)):
        return "requirements", why
    room = stop.route.context_tokens
    if room and context.prompt_tokens + context.output_tokens > room:
        needed = context.prompt_tokens + context.output_tokens
        return "context", f"about {needed} tokens do not fit its context of {room}"
    ceiling = question.limits.max_cost_usd
    if ceiling is not None and judged.usd > ceiling:
        return "cost", f"expected to cost ${judged.usd:.6f} > the request's ceiling ${ceiling:.6f}"
    return None


def _confident(found: list[Judged], lost: list[Lost]) -> list[Judged]:
    kept = []
    for judged in found:
        if judged.prediction.probability >= judged.floor:
            kept.append(judged)
        else:
            predicted = judged.prediction.probability
            why = f"predicted {predicted:.2f} < floor {judged.floor:.2f}"
            lost.append((judged, "floor", why))
    return kept


def _ranked(question: Question, found: list[Judged]) -> list[Judged]:
    """Order by score; equals by price, then by name."""
    total = question.scoring.total
    scored = [one._replace(total=total(facts(question, one))) for one in found]
    scored.sort(key=_rank)
    return scored


def _rank(judged: Judged) -> tuple[float, float, str]:
    return (-(judged.total or 0.0), judged.usd, judged.stop.key)


def facts(question: Question, judged: Judged) -> Facts:
    """Gather what the scorers may look at."""
    context, stop = question.context, judged.stop
    home = context.session_home
    # By position: by name it would take three times as long, for every candidate of every request.
    return Facts(
        stop.key, judged.prediction.probability, judged.usd, _utility(question, stop),
        judged.signal, None, stop.key == home if home else None, None, context.latency_class,
        stop.serves,
    )  # fmt: skip


def _utility(question: Question, stop: Stop) -> float | None:
    """The share of its answers that were accepted; None without a record."""
    known = question.acceptance.record(stop.key, stop.revision)
    count = known.accepted + known.rejected
    return (known.accepted + 1.0) / (count + 2.0) if count else None


def _onward(question: Question, lost: list[Lost]) -> list[Judged]:
    way = question.way
    onward = _eligible(question, way.onward, lost)
    if not any(judged.stop.ready for judged in onward):
        return onward + _eligible(question, way.general, lost)
    for stop in way.general:
        why = f"escalation leads to {onward[0].stop.route.name} instead"
        lost.append((judge(question, stop), "elsewhere", why))
    return onward


def _open(found: list[Judged], lost: list[Lost]) -> list[Judged]:
    """Keep who can take a request now; when nobody can, those whose breaker is open, then all."""
    ready = [one for one in found if one.stop.open and one.signal.available]
    if len(ready) == len(found):
        return found
    if not ready:
        ready = [one for one in found if one.stop.open] or found
    for one in found:
        if one not in ready:
            word = "breaker" if one.stop.open else "endpoint"
            why = "its breaker is open" if one.stop.open else "no ready endpoint"
            lost.append((one, word, why))
    return ready


def _able(found: list[Judged], lost: list[Lost]) -> list[Judged]:
    """Leave out whom not even the surest tokens could lift to the floor, except the last."""
    kept = []
    for one in found[:-1]:
        if one.stop.route.verifiers or best_confidence(one.prediction.probability) >= one.floor:
            kept.append(one)
        else:
            predicted = one.prediction.probability
            why = f"predicted {predicted:.2f}: no answer could reach floor {one.floor:.2f}"
            lost.append((one, "hopeless", why))
    kept.append(found[-1])
    return kept


def _bounded(found: list[Judged], max_hops: int, lost: list[Lost]) -> list[Judged]:
    """Cut the middle: the end of the way is the strongest, and stays as the last hop."""
    if len(found) <= max_hops:
        return found
    lost += [(one, "hops", f"beyond {max_hops} hops") for one in found[max_hops - 1 : -1]]
    return [*found[: max_hops - 1], found[-1]]


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
    stop, prediction = judged.stop, judged.prediction
    looked_at = facts(question, judged)
    scores, total = {}, 0.0
    for name, scorer, weight in question.scoring.parts:
        scores[name] = value = scorer(looked_at)
        total += weight * value
    return {
        "specialist": stop.key,
        "tier": stop.route.tier or ("external" if stop.route.external else ""),
        "revision": stop.revision,
        "predicted": prediction.probability,
        "lower": prediction.lower,
        "support": prediction.support,
        "floor": judged.floor,
        "expected_usd": judged.usd,
        "scores": scores,
        "total": total,
        "why": stop.reason,
        "lost": lost,
    }
