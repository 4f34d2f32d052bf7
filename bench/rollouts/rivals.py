"""The rules that ours is held against: fixed steps, and the document's rule as it is written."""

from __future__ import annotations

from tierwise_core.rollout.judgement import softmax_share
from tierwise_core.rollout.samples import NOTHING, WindowSample
from tierwise_core.rollout.trial import Verdict


class FixedSteps:
    """10, 25 and 50 % for 500 answers each; a mean below blue's by more than delta fails a step."""

    shadow_percent = 0.0
    STEPS = (10.0, 25.0, 50.0)
    ANSWERS = 500

    def __init__(self, delta: float) -> None:
        self._delta = delta
        self._step = 0
        self._answers = 0
        self._blue = self._green = NOTHING

    @property
    def percent(self) -> float:
        return self.STEPS[self._step]

    def look(self, window: WindowSample) -> Verdict:
        self._blue, self._green = self._blue + window.blue, self._green + window.green
        self._answers += window.blue.judged + window.green.judged
        if self._answers < self.ANSWERS * (self._step + 1):
            return "open"
        if (self._green.mean or 0.0) < (self._blue.mean or 0.0) - self._delta:
            return "rolled back"
        if self._step + 1 == len(self.STEPS):
            return "promoted"
        self._step += 1
        return "open"


class PlainSoftmax:
    """The document's rule: softmax of the means at a fixed temperature, no intervals."""

    shadow_percent = 0.0

    def __init__(self, delta: float, least: int, window: int = 100) -> None:
        self._delta, self._least, self._every = delta, least, window
        self._percent = 5.0
        self._waiting = 0
        self._blue = self._green = NOTHING

    @property
    def percent(self) -> float:
        return self._percent

    def look(self, window: WindowSample) -> Verdict:
        self._blue, self._green = self._blue + window.blue, self._green + window.green
        self._waiting += window.blue.judged + window.green.judged
        if self._waiting < self._every or self._green.judged < self._least:
            return "open"
        self._waiting = 0
        difference = (self._green.mean or 0.0) - (self._blue.mean or 0.0)
        if difference < -self._delta:
            return "rolled back"
        self._percent = max(5.0, min(95.0, 100 * softmax_share(difference, 0.05)))
        return "promoted" if self._percent >= 90 else "open"
