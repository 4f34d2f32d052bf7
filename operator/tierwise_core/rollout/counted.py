"""What the ledger has counted of both sides since the canary began, and what a look adds.

The sums grow for ever, so a word that comes late on an old answer counts when it comes. What was
taken in is kept in the Rollout's status beside the evidence, in one write: no answer counts twice,
and none is lost, whenever the operator is killed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from tierwise_core.field_profiles import FieldJudgement
from tierwise_core.rollout.evidence import LEAST_VARIANCE, Baseline
from tierwise_core.rollout.from_windows import side_of
from tierwise_core.rollout.samples import SideSample, WindowSample
from tierwise_core.windows import Window

__all__ = ["ENOUGH", "Counted", "Look", "SideCount", "baseline", "look"]

ENOUGH: Final = 20
"""From how many judged answers of blue's on its own mean and variance are taken for known."""

TAKEN_BACK: Final = "a verdict was taken back; its difference waits for more answers"
LOST: Final = "the ledger has lost records: it counts from here on again"


@dataclass(frozen=True, slots=True)
class SideCount:
    """One side's sums; ``cost_usd`` is what its calls cost, latencies are of the last look."""

    window: Window = field(default_factory=Window)
    cost_usd: float = 0.0
    p50_s: float | None = None
    p99_s: float | None = None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """Read what the ledger answered; ValueError and TypeError for what is no such row."""
        if not isinstance(row, Mapping):
            raise TypeError(f"{row!r} is no object with sums")
        slow = {name: row.get(name) for name in ("p50_s", "p99_s")}
        return cls(
            Window.from_row(row),
            float(row.get("cost_usd") or 0.0),
            **{name: None if value is None else float(value) for name, value in slow.items()},
        )

    def to_row(self) -> dict[str, Any]:
        """Give the sums in JSON's types; what is 0 is left out, and latencies are no sums."""
        told = {name: count for name, count in self.window.to_row().items() if count}
        return told | ({"cost_usd": self.cost_usd} if self.cost_usd else {})


@dataclass(frozen=True, slots=True)
class Counted:
    """Both sides' sums, and until when their latencies are told, in seconds since the epoch."""

    blue: SideCount = field(default_factory=SideCount)
    green: SideCount = field(default_factory=SideCount)
    latency_until: float = 0.0

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """Read an answer of the ledger, or what a status kept.

        >>> row = {"blue": {"asked": 4, "judged": 3, "cost_usd": 0.5}, "green": {}}
        >>> Counted.read(row).to_row()
        {'blue': {'asked': 4, 'judged': 3, 'cost_usd': 0.5}, 'green': {}}
        """
        until = float(row.get("latencyUntil") or 0.0)
        return cls(SideCount.read(row["blue"]), SideCount.read(row["green"]), until)

    def to_row(self) -> dict[str, Any]:
        """Give the sums in JSON's types."""
        told: dict[str, Any] = {"blue": self.blue.to_row(), "green": self.green.to_row()}
        return told | ({"latencyUntil": self.latency_until} if self.latency_until else {})


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the ledger adds: a window, or none, and the sums that are counted by now."""

    kept: Counted
    window: WindowSample | None = None
    why: str = ""


def look(
    before: Counted, now: Counted, since: float, until: float, judgement: FieldJudgement
) -> Look:
    """Return what was added since the sums ``before``, in the time from ``since`` to ``until``.

    A difference that cannot be true, because a verdict was taken back, waits until more answers
    make it true: the sums before it stay. What is found to contradict later than its answer was
    counted waits alone: it is counted with as many later answers. Fewer requests than before can
    only be records that are gone; then counting goes on from what is there.

    >>> ten = SideCount(Window(asked=10, judged=10, accepted=9, confidence_e4=80_000))
    >>> more = SideCount(Window(asked=12, judged=12, accepted=10, confidence_e4=96_000))
    >>> seen = look(Counted(ten, ten), Counted(more, ten), 0.0, 2.0, FieldJudgement())
    >>> seen.window.blue.judged, seen.window.blue.accepted, seen.window.green.judged
    (2, 1, 0)
    """
    if until <= since:
        return Look(before)
    sides = ((before.blue, now.blue), (before.green, now.green))
    if any(after.window.asked < first.window.asked for first, after in sides):
        return Look(now, why=LOST)
    now = replace(
        now,
        blue=_in_its_time(before.blue, now.blue),
        green=_in_its_time(before.green, now.green),
    )
    sides = ((before.blue, now.blue), (before.green, now.green))
    blue, green = (_added(first, after, judgement) for first, after in sides)
    if _is_nothing(blue) and _is_nothing(green):
        return Look(before)
    window = WindowSample(since, until, blue, green)
    if window.problem():
        return Look(before, why=TAKEN_BACK)
    return Look(now, window)


def _in_its_time(first: SideCount, after: SideCount) -> SideCount:
    """Leave for later what contradicts beyond the answers that were compared since.

    What is right is often known only after others have answered. Were the whole window to wait, a
    side of which every answer contradicts would wait for ever.

    >>> ten, late = Window(compared=10), Window(compared=14, contradicted=14)
    >>> _in_its_time(SideCount(ten), SideCount(late)).window.contradicted
    4
    """
    least, added = first.window.contradicted, after.window.compared - first.window.compared
    counted = max(least, min(after.window.contradicted, least + added))
    return replace(after, window=replace(after.window, contradicted=counted))


def _added(first: SideCount, after: SideCount, judgement: FieldJudgement) -> SideSample:
    # Prices may be corrected: what an answer costs less by now is no gain of this look.
    cost_usd = max(0.0, after.cost_usd - first.cost_usd)
    added = after.window - first.window
    return side_of(added, judgement, cost_usd, after.p50_s, after.p99_s)


def _is_nothing(side: SideSample) -> bool:
    counts = (side.judged, side.utility, side.compared, side.requests, side.contradictions)
    return not any(counts) and not side.accepted


def baseline(blue: SideCount, judgement: FieldJudgement) -> Baseline | None:
    """Return what is known of blue; None where too little was judged to say.

    >>> day = SideCount(Window(judged=100, accepted=80, confidence_e4=900_000,
    ...     confidence_squared_e8=8_100_000_000, accepted_confidence_e4=720_000))
    >>> known = baseline(day, FieldJudgement())
    >>> round(known.utility, 3), round(known.variance, 4), known.accepted
    (0.795, 0.0576, 0.8)
    >>> baseline(SideCount(), FieldJudgement()) is None
    True

    Answers that were all alike leave the least variance there is:

    >>> alike = SideCount(Window(judged=100, accepted=100, confidence_e4=1_000_000,
    ...     confidence_squared_e8=10_000_000_000, accepted_confidence_e4=1_000_000))
    >>> baseline(alike, FieldJudgement()).variance
    0.001
    """
    side = side_of(blue.window, judgement)
    if side.judged < ENOUGH:
        return None
    mean = side.utility / side.judged
    # Answers that were all alike so far say that it is small, not that there is none.
    variance = max(LEAST_VARIANCE, side.utility_squared / side.judged - mean * mean)
    return Baseline(mean, variance, side.accepted / side.judged, side.judged)
