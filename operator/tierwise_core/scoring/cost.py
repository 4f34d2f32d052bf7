"""How little a call costs."""

from __future__ import annotations

from typing import Final

from tierwise_core.scoring.facts import Facts

__all__ = ["REFERENCE_USD", "score"]

REFERENCE_USD: Final = 0.001
"""The price of a call that scores a half: a little over a second of an H100 at $3 an hour."""


def score(facts: Facts) -> float:
    """Give ``reference / (reference + usd)``: 1 for a free call, and always less for a dearer one.

    A second of a 4090 at $0.40 an hour, then of an H100 at $3:

    >>> round(score(Facts("small", usd=0.000111)), 3), round(score(Facts("large", usd=0.000833)), 3)
    (0.9, 0.546)
    """
    return REFERENCE_USD / (REFERENCE_USD + max(facts.usd, 0.0))
