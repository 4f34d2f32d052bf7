"""What bettors hold, and how each kind of bet is shared among bettors of different boldness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final

from tierwise_core.rollout.wagers import mixed

__all__ = ["Purse"]

WORSE_BY: Final = (1.0, 3.0, 10.0)
"""How many deltas worse the bettors think that green is: by what just counts, clearly, broken."""
WORSE_PURSE: Final = (0.45, 0.35, 0.2)
NOT_WORSE_BY: Final = (1.0, 2.0, 3.0)
NOT_WORSE_PURSE: Final = (0.6, 0.25, 0.15)
NOT_BETTER_BY: Final = (1.0, 2.0)
NOT_BETTER_PURSE: Final = (0.7, 0.3)
BETTER_BY: Final = (1.0, 2.0, 4.0)
BETTER_PURSE: Final = (0.4, 0.4, 0.2)
REJECTED_MORE: Final = (0.15, 0.35, 0.6, 0.8)
"""Which part of blue's accepted answers the bettors think that green loses."""
REJECTED_PURSE: Final = (0.25, 0.25, 0.25, 0.25)
CONTRADICTED_MORE: Final = (2.0, 4.0, 8.0)
CONTRADICTED_PURSE: Final = (0.4, 0.3, 0.3)
UTILITY_PURSE: Final = 0.7
"""The share of the purse that bets on utility; the rest bets on accepted answers."""
FIRST_STAKE: Final = 0.75


@dataclass(frozen=True, slots=True)
class Purse:
    """The logarithms of what some bettors hold, each as a part of the 1 they all began with.

    ``untouched`` is what they have not staked yet: a part is held back for starts at later steps,
    so that a candidate that is good at first and then is not can still be found out.
    """

    gains: tuple[float, ...]
    steps: int = 0
    untouched: float = 1.0

    def bet(self, gains: Sequence[float], *, late_starts: bool = False) -> Purse:
        """Return the purse after a step that brought these gains (logarithms)."""
        steps = self.steps + 1
        fresh = _fresh(steps) if late_starts else float(steps == 1)
        held = (_log_add(old, fresh) if steps > 1 else log(fresh) for old in self.gains)
        after = tuple(old + gain for old, gain in zip(held, gains, strict=True))
        return Purse(after, steps, max(0.0, self.untouched - fresh))

    def capital(self, parts: Sequence[float]) -> float:
        """Return the logarithm of what all hold together; ``parts`` is how they shared the 1."""
        if not self.steps:
            return 0.0
        staked = mixed(parts, self.gains)
        return _log_add(staked, self.untouched)


def _fresh(step: int) -> float:
    """Return the part of the purse whose bets begin at a step; over all steps it comes to 1.

    >>> [round(_fresh(step), 3) for step in (1, 2, 3, 4)]
    [0.75, 0.125, 0.042, 0.021]
    """
    return FIRST_STAKE if step == 1 else (1 - FIRST_STAKE) / (step * (step - 1))


def _log_add(logarithm: float, amount: float) -> float:
    if amount <= 0:
        return logarithm
    most = max(logarithm, log(amount))
    return most + log(exp(logarithm - most) + exp(log(amount) - most))


WORSE: Final = Purse((0.0,) * len(WORSE_PURSE))
REJECTED: Final = Purse((0.0,) * len(REJECTED_PURSE))
CONTRADICTED: Final = Purse((0.0,) * len(CONTRADICTED_PURSE))
NOT_WORSE: Final = Purse((0.0,) * len(NOT_WORSE_PURSE))
NOT_BETTER: Final = Purse((0.0,) * len(NOT_BETTER_PURSE))
BETTER: Final = Purse((0.0,) * len(BETTER_PURSE))
