"""The brain of a dispatcher: from the text of a request to the plan of whom to ask.

Built off the hot path whenever the route table changes, then swapped in by one assignment. A
brain never changes, so that a request that started with one may finish with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

import structlog

from tierwise_core.acceptance import AcceptanceModel
from tierwise_core.plan_context import PLAIN_CONTEXT, PlanContext
from tierwise_core.query_features import query_features
from tierwise_core.route_split import Split
from tierwise_core.route_table import RouteTable
from tierwise_core.routing import (
    CascadePlan,
    FieldReading,
    Itinerary,
    itineraries,
    itinerary_of_unknown,
    plan,
)
from tierwise_core.scoring import Weighted
from tierwise_core.selection import NO_RECORD
from tierwise_core.spending import Limits
from tierwise_router.classifier import FieldClassifier
from tierwise_router.classifier.knowledge import WordKnowledge, shipped_words
from tierwise_router.classifier.static_model import StaticModelError, known_words
from tierwise_router.scorers import known_scorers

__all__ = ["Brain"]

log = structlog.get_logger(__name__)

Opinion = Callable[[str, FieldReading], FieldReading]


@dataclass(frozen=True, slots=True)
class Brain:
    """A route table, the classifier trained on its examples, and the way of each field.

    ``acceptance`` is what was learned of outcomes, ``scoring`` the policy's scorers, and ``limits``
    what the policy lets a request spend. ``compared`` are the shares of the rollouts under way.
    """

    table: RouteTable
    classifier: FieldClassifier
    itineraries: Mapping[str | None, Itinerary]
    scoring: Weighted
    acceptance: AcceptanceModel = NO_RECORD
    limits: Limits = field(init=False)
    compared: tuple[Split, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Work out once what every request asks for."""
        limits = Limits.of(self.table.policy.decision, PLAIN_CONTEXT)
        object.__setattr__(self, "limits", limits)
        splits = (route.split for route in self.table.routes.values())
        compared = tuple(split for split in splits if split is not None)
        object.__setattr__(self, "compared", compared)

    @classmethod
    def build(
        cls,
        table: RouteTable,
        previous: Brain | None = None,
        acceptance: AcceptanceModel | None = None,
    ) -> Self:
        """Train on the table's examples; a previous brain with the same ones is not retrained.

        Pods come and go far more often than examples change, so that most tables take the
        classifier over and cost microseconds. What was learned of outcomes is taken over too.
        """
        examples = examples_of(table)
        words = table.policy.classifier.word_vectors
        if previous is not None and previous.knows(examples, words):
            classifier = previous.classifier
        else:
            classifier = FieldClassifier.train(examples, known=_words_in(words))
        if acceptance is None:
            acceptance = previous.acceptance if previous is not None else NO_RECORD
        scoring = Weighted.of(table.policy.decision.scorers, known_scorers())
        return cls(table, classifier, itineraries(table), scoring, acceptance)

    def plan(
        self,
        text: str,
        *,
        floor: float | None = None,
        field: str | None = None,
        context: PlanContext = PLAIN_CONTEXT,
        opinion: Opinion | None = None,
    ) -> CascadePlan:
        """Plan a request that leaves the choice to us (``model: auto``); well under 1 ms.

        ``floor`` raises every floor. ``field`` is what the caller says the question is about; it
        replaces the classifier. A field that no Specialist has goes to the generalists. ``opinion``
        may refine what the classifier says.
        """
        if field is not None:
            reading = _told(field)
        else:
            reading = self.classifier.read(text)
            if opinion is not None:
                reading = opinion(text, reading)
        way = self.itineraries.get(reading.field)
        if way is None:
            way = itinerary_of_unknown(self.itineraries, reading.field or "")
        return plan(
            way,
            reading,
            floor=floor,
            acceptance=self.acceptance,
            features=query_features(text) if self.acceptance.reads_features else None,
            context=context,
            scoring=self.scoring,
            limits=self.limits.lowered(context.max_hops, context.max_calls, context.max_cost_usd),
        )

    def knows(self, examples: Mapping[str, tuple[str, ...]], words: str) -> bool:
        """Tell whether the classifier was trained on just these examples and words."""
        before = self.table.policy.classifier.word_vectors
        return self.classifier.examples == examples and before == words


def _words_in(path: str) -> WordKnowledge:
    """Give the policy's word vectors; where they cannot be read the shipped ones go on serving."""
    try:
        return known_words(path)
    except StaticModelError as error:
        log.warning("the shipped word vectors are used", error=str(error))
        return shipped_words()


def examples_of(table: RouteTable) -> Mapping[str, tuple[str, ...]]:
    """Collect the examples of each field, over all its Specialists, sorted and without repeats."""
    by_field: dict[str, set[str]] = {}
    for route in table.routes.values():
        by_field.setdefault(route.field, set()).update(route.examples)
    return {name: tuple(sorted(texts)) for name, texts in sorted(by_field.items())}


def _told(field: str) -> FieldReading:
    return FieldReading(field, 1.0, 1.0, {field: 1.0})
