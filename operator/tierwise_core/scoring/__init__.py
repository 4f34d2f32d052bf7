"""Scorers: small pure functions that say, in [0, 1], how good a choice would be.

The same ones serve on two levels: which Specialist, and which of its pods. Weights come from the
RouterPolicy alone.
"""

from tierwise_core.scoring.facts import Facts, Scorer
from tierwise_core.scoring.registry import BUILT_IN_SCORERS, Weighted

__all__ = ["BUILT_IN_SCORERS", "Facts", "Scorer", "Weighted"]
