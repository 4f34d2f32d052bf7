"""Scorers: small pure functions that say, in [0, 1], how good a choice would be.

The same ones serve on two levels: which Specialist, and which of its pods.
"""

from tierwise_core.scoring.facts import Facts, Scorer

__all__ = ["Facts", "Scorer"]
