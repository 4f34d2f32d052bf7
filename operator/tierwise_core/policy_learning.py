"""How outcomes turn into predictions, and how carefully new Specialists start."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise_core.acceptance import INITIAL_FLOOR

__all__ = ["LearningPolicy"]


@dataclass(frozen=True, slots=True)
class LearningPolicy:
    """How outcomes turn into predictions, and how carefully new Specialists start.

    ``initial_floor`` is the floor of a Specialist without a record, where its owner has set none.
    An outcome counts half after ``half_life_seconds``; at most ``keep_outcomes`` are kept. What
    people say of an answer counts as one outcome, what a verifier says as ``verifier_weight``, and
    what the gate alone made of it as ``gate_weight``, shared by its confidence.
    """

    enabled: bool = True
    initial_floor: float = INITIAL_FLOOR
    refit_interval_seconds: float = 5.0
    half_life_seconds: float = 14 * 86_400.0
    keep_outcomes: int = 20_000
    verifier_weight: float = 0.7
    gate_weight: float = 0.02
