"""Orchestration of several calls for one request, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "DualRun",
    "EvaluatorOptimizer",
    "OnDisagreement",
    "OrchestratorWorkers",
    "Pattern",
    "PatternsPolicy",
    "Shadow",
]

OnDisagreement = Literal["Primary", "Abstain", "HumanReview"]


@dataclass(frozen=True, slots=True)
class OrchestratorWorkers:
    """Take a request apart, have the parts answered side by side, and join the answers.

    ``decomposer`` is the model that takes it apart; without one, lists and lines are split by
    rule. ``workers`` answers each part (``auto`` routes every part by itself). ``synthesizer`` is
    the model that writes one answer from the parts'; without one they are joined as they are.
    """

    decomposer: str | None = None
    workers: str = "auto"
    synthesizer: str | None = None
    max_parts: int = 8
    max_parallel: int = 4


@dataclass(frozen=True, slots=True)
class EvaluatorOptimizer:
    """Let one model answer and another criticise, until it is content or the cap is reached.

    ``accept_score`` is the least score, 0 to 1, that ends it. ``max_iterations`` counts answers of
    the generator, so that it bounds the calls to ``2 * max_iterations``.
    """

    generator: str
    evaluator: str
    accept_score: float = 0.8
    max_iterations: int = 3


@dataclass(frozen=True, slots=True)
class DualRun:
    """Ask two models side by side and compare; the client gets the primary's answer.

    ``agree_at`` is the least similarity, 0 to 1, that counts as the same answer.
    """

    primary: str
    candidate: str
    agree_at: float = 0.9
    on_disagreement: OnDisagreement = "Primary"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A way to answer that a request names as its model."""

    name: str
    run: OrchestratorWorkers | EvaluatorOptimizer | DualRun


@dataclass(frozen=True, slots=True)
class Shadow:
    """A share of the traffic that is answered a second time, where nobody sees it.

    ``of`` is whose answers are shadowed: a Specialist, or ``auto`` for whatever was routed.
    ``percent`` is the share, 0 to 100. At most ``max_in_flight`` shadows run in one dispatcher;
    what comes on top is left out and counted.
    """

    name: str
    of: str
    candidate: str
    percent: float = 10.0
    max_in_flight: int = 8
    agree_at: float = 0.9


@dataclass(frozen=True, slots=True)
class PatternsPolicy:
    """The patterns by name, and the shadows."""

    named: tuple[Pattern, ...] = ()
    shadows: tuple[Shadow, ...] = ()

    def find(self, name: str) -> Pattern | None:
        """Find the pattern that a request names; None when its model is none.

        >>> PatternsPolicy((Pattern("both", DualRun("a", "b")),)).find("both").name
        'both'
        """
        for pattern in self.named:
            if pattern.name == name:
                return pattern
        return None
