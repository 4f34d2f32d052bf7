"""How the fields that everybody has judge their answers, where no FieldProfile says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tierwise_core.utility import UtilityWeights, noticeable_change

__all__ = ["BUILT_IN", "GENERAL", "FieldJudgement", "judgement_of"]


BALANCED: Final = UtilityWeights(0.6, 0.35, 0.05)


@dataclass(frozen=True, slots=True)
class FieldJudgement:
    """How a field's answers are judged.

    ``penalty`` is how many times worse a wrong answer is than in creative work; ``interactions`` is
    T, how long a change must hold.
    """

    weights: UtilityWeights = BALANCED
    penalty: float = 1.25
    interactions: int = 4

    @property
    def noticeable_change(self) -> float:
        """From which change of U on something is done.

        >>> BUILT_IN["software-engineering"].noticeable_change
        0.025
        """
        return noticeable_change(self.penalty)


GENERAL: Final = FieldJudgement()
"""Of a field that has no profile: T 4, and a change of 0.04 counts."""

BUILT_IN: Final[Mapping[str, FieldJudgement]] = MappingProxyType(
    {
        "general": GENERAL,
        "software-engineering": FieldJudgement(BALANCED, 2.0, 10),
        "creative": FieldJudgement(UtilityWeights(0.5, 0.3, 0.2), 1.0, 2),
        "medical": FieldJudgement(UtilityWeights(0.55, 0.44, 0.01), 5.0, 20),
        "legal": FieldJudgement(UtilityWeights(0.55, 0.43, 0.02), 4.0, 20),
        "financial": FieldJudgement(UtilityWeights(0.55, 0.43, 0.02), 4.0, 20),
    }
)
"""By field. T and the change of the first three are the source document's; medicine, law and money
weigh what is claimed against what contradicts it more, and wait longer, as risk grows."""


def judgement_of(field: str | None) -> FieldJudgement:
    """Give a field's own judgement, or the general one.

    >>> judgement_of("creative").interactions, judgement_of("sorting") is GENERAL
    (2, True)
    """
    return BUILT_IN.get(field or "", GENERAL)
