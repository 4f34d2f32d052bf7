"""Whom to ask one question: filter, predict, score, pick; whoever loses is kept with the reason."""

from __future__ import annotations

from typing import Final, NamedTuple

from tierwise_core import swift
from tierwise_core.acceptance import AcceptanceModel, Prediction
from tierwise_core.confidence import best_confidence
from tierwise_core.field_reading import FieldReading
from tierwise_core.itinerary import Itinerary, Stop
from tierwise_core.plan_context import IDLE, PLAIN_CONTEXT, LoadSignal, PlanContext
from tierwise_core.policy_decision import DecisionPolicy
from tierwise_core.query_features import QueryFeatures
from tierwise_core.refusal import refusal
from tierwise_core.scoring import BUILT_IN_SCORERS, Facts, Weighted
from tierwise_core.spending import Limits, call_usd

__all__ = [
    "DEFAULT_SCORING",
    "NO_RECORD",
    "UNLIMITED",
    "Judged",
    "Lost",
    "Question",
    "facts",
    "judge",
    "select",
]

DEFAULT_SCORING: Final = Weighted.of(DecisionPolicy().scorers, BUILT_IN_SCORERS)
NO_RECORD: Final = AcceptanceModel.empty()
SURELY_REACHED: Final = 0.999
UNLIMITED: Final = Limits.of(DecisionPolicy(), PLAIN_CONTEXT)


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


def select(question: Question, lost: list[Lost]) -> list[Judged]:
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
    floor, loosened = route.confidence_floor, route.loosened_floor
    if loosened is not None:
        floor = acceptance.floor_for(stop.key, stop.revision, floor, loosened)
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
    known = question.acceptance.known.get((stop.key, stop.revision))
    return known.utility if known is not None else None


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
        predicted, floor = one.prediction.probability, one.floor
        # The surest tokens lift every prediction, as far as confidences go.
        reaches = predicted >= floor <= SURELY_REACHED or best_confidence(predicted) >= floor
        if reaches or one.stop.route.verifiers:
            kept.append(one)
        else:
            why = f"predicted {predicted:.2f}: no answer could reach floor {floor:.2f}"
            lost.append((one, "hopeless", why))
    kept.append(found[-1])
    return kept


def _bounded(found: list[Judged], max_hops: int, lost: list[Lost]) -> list[Judged]:
    """Cut the middle: the end of the way is the strongest, and stays as the last hop."""
    if len(found) <= max_hops:
        return found
    lost += [(one, "hops", f"beyond {max_hops} hops") for one in found[max_hops - 1 : -1]]
    return [*found[: max_hops - 1], found[-1]]
