"""After the promotion: green serves all, blue is warm, and green is held against blue's record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log

from tierwise_core.rollout.evidence import Evidence, Yardstick
from tierwise_core.rollout.judgement import Certainty
from tierwise_core.rollout.purses import WORSE, WORSE_BY, WORSE_PURSE, Purse
from tierwise_core.rollout.samples import NOTHING, SideSample, WindowSample
from tierwise_core.rollout.wagers import Contest, Expected, Sums

__all__ = ["Watch", "watch"]


@dataclass(frozen=True, slots=True)
class Watch:
    """What green did alone: its sums, and the bets that it fell below blue's record by delta."""

    green: SideSample = NOTHING
    until: float = 0.0
    worse: Purse = WORSE

    def regressed(self, certainty: Certainty) -> bool:
        """Say whether green is by now surely worse than blue was, by more than delta."""
        return self.worse.capital(WORSE_PURSE) >= log(1 / certainty.reject_equal)


def watch(seen: Watch, window: WindowSample, evidence: Evidence, yardstick: Yardstick) -> Watch:
    """Add a window to the watch; one that cannot be true, or was seen before, changes nothing.

    Green is held against blue's record less delta and less two of the record's standard errors: a
    record of few answers convicts nobody. Without any, nothing is found. What the watch itself saw
    before is known of green too: nobody may have met it before it got everybody at once.
    """
    if window.problem() or window.since < seen.until or not window.green.judged:
        return seen
    after = replace(seen, green=seen.green + window.green, until=window.until)
    record = evidence.record
    if record is None:
        return after
    mean, error = record
    least = mean - yardstick.delta - 2 * error
    green = window.green
    contest = Contest(
        Sums(green.judged, green.utility, green.utility_squared),
        Sums.certain(least),
        evidence.known(evidence.green + seen.green),
        Expected(least, 0.0),
    )
    gains = [contest.gain(0.0, by * yardstick.delta) for by in WORSE_BY]
    return replace(after, worse=seen.worse.bet(gains, late_starts=True))
