"""How a candidate's traffic grows: by the evidence, by stages, at once, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["HALF", "RAMP", "Step", "Strategy"]

STEP_WINDOWS: Final = 10
HALF: Final = 50
"""The share, in percent, beyond which most users are served by green, and proof comes first."""

Strategy = Literal["Utility", "Stages", "BlueGreen", "Shadow"]
"""Utility: the share follows the evidence. Stages: fixed shares, one after another. BlueGreen: all
at once, watched while blue is warm. Shadow: nobody is served, both are compared."""


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a ramp: green's share, or the share of requests it answers unseen.

    ``answers`` are those of green's, judged in this stage, before the next may begin; None leaves
    it to the field, which asks for ten of its windows.
    """

    percent: int = 0
    shadow_percent: int = 0
    answers: int | None = None

    def least(self, window: int) -> int:
        """Return the answers of green's that it takes, in a field whose window is so long.

        >>> Step(10).least(4), Step(10, answers=500).least(4)
        (40, 500)
        """
        return self.answers or STEP_WINDOWS * window


RAMP: Final = (Step(shadow_percent=10), Step(10), Step(25), Step(50), Step(90))
"""Shadow, canary, canary, majority, majority; then all. The source document's ranges are 5 to 10 %
of shadows, a canary of 10 to 25 % and a majority of 50 to 90 %."""
