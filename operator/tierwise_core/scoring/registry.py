"""The scorers by name, and their weighted mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from tierwise_core.policy_decision import ScorerWeight
from tierwise_core.scoring import (
    adapter_residency,
    cost,
    latency_class,
    load,
    predicted_confidence,
    prefix_cache,
    session_affinity,
    utility,
)
from tierwise_core.scoring.facts import Facts, Scorer

__all__ = ["BUILT_IN_SCORERS", "Weighted"]

BUILT_IN_SCORERS: Final[Mapping[str, Scorer]] = MappingProxyType(
    {
        "adapter-residency": adapter_residency.score,
        "cost": cost.score,
        "latency-class": latency_class.score,
        "load": load.score,
        "predicted-confidence": predicted_confidence.score,
        "prefix-cache": prefix_cache.score,
        "session-affinity": session_affinity.score,
        "utility": utility.score,
    }
)
"""What needs no plug-in, by the name that a policy uses."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """Some scorers and their weights, which sum to 1; those that weigh nothing are left out.

    >>> both = Weighted.of([ScorerWeight("cost", 3), ScorerWeight("load", 1)], BUILT_IN_SCORERS)
    >>> both.total(Facts("demo/sorter", usd=0.001))
    0.625
    >>> both.scores(Facts("demo/sorter", usd=0.001))
    (('cost', 0.5), ('load', 1.0))
    """

    parts: tuple[tuple[str, Scorer, float], ...]

    @classmethod
    def of(cls, weights: Iterable[ScorerWeight], known: Mapping[str, Scorer]) -> Self:
        """Put them together; a name that nobody knows counts for nothing."""
        used = [one for one in weights if one.weight > 0 and one.name in known]
        whole = sum(one.weight for one in used)
        return cls(tuple((one.name, known[one.name], one.weight / whole) for one in used))

    def total(self, facts: Facts) -> float:
        """Give the weighted mean, in [0, 1]; 0 without any scorer."""
        total = 0.0
        for _, scorer, weight in self.parts:
            total += weight * scorer(facts)
        return total

    def scores(self, facts: Facts) -> tuple[tuple[str, float], ...]:
        """Give each scorer's own value."""
        return tuple((name, scorer(facts)) for name, scorer, _ in self.parts)
