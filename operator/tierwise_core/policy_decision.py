"""How candidates are scored and picked, what one request may spend, and who checks answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tierwise_core.verifier_spec import VerifierSpec

__all__ = ["DEFAULT_SCORERS", "DecisionPolicy", "ScorerWeight"]


@dataclass(frozen=True, slots=True)
class ScorerWeight:
    """A scorer by name and how much its value counts; 0 switches it off."""

    name: str
    weight: float


DEFAULT_SCORERS: Final = (
    ScorerWeight("cost", 1.0),
    ScorerWeight("load", 0.25),
    ScorerWeight("latency-class", 0.25),
    ScorerWeight("session-affinity", 0.05),
)
"""Cheapest confident first; a Specialist that is swamped gives way to one that costs little more.

Among equals in load, latency class and session only the cost is left.
"""


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """How candidates are scored and picked, and what one request may spend.

    ``max_hops`` bounds the Specialists that one request is sent to, ``max_calls`` every call to an
    endpoint (retries, second looks and judges included), ``max_cost_usd`` what it may cost (None:
    no bound). ``max_routers`` bounds how many routers may pass a request on to each other.
    ``verifiers`` are those that Specialists may name beside the built-in ones.
    """

    scorers: tuple[ScorerWeight, ...] = DEFAULT_SCORERS
    max_hops: int = 4
    max_calls: int = 8
    max_cost_usd: float | None = None
    max_routers: int = 3
    verifiers: tuple[VerifierSpec, ...] = ()
