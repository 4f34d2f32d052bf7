"""What routing between a cheap and a strong model is worth: the curve, and figures made of it.

The figures are RouteLLM's (Ong et al., arXiv 2406.18665, section 3.2), so that ours compare.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

__all__ = [
    "Curve",
    "Outcome",
    "Point",
    "Reliability",
    "brier",
    "calibration_error",
    "curve",
    "reliability",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question: the score by which it is routed, and what either model made of it.

    ``score`` is how much the strong model is expected to help; ``cheap`` and ``strong`` are 1 for
    an accepted answer and 0 for a rejected one; costs are USD per answer.
    """

    score: float
    cheap: float
    strong: float
    cheap_usd: float = 0.0
    strong_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Point:
    """Routing by one threshold: questions that score as high or higher go to the strong model."""

    threshold: float
    strong_share: float
    accepted: float
    usd: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The points from nobody to everybody sent to the strong model, by rising share."""

    points: tuple[Point, ...]

    @property
    def cheap(self) -> Point:
        """Everything to the cheap model."""
        return self.points[0]

    @property
    def strong(self) -> Point:
        """Everything to the strong model."""
        return self.points[-1]

    def recovered(self, accepted: float) -> float:
        """Tell which share of the gap between the models is closed (PGR).

        Raises ValueError where the strong model is not better than the cheap one.
        """
        gap = self.strong.accepted - self.cheap.accepted
        if gap <= 0.0:
            raise ValueError("the strong model is not accepted more often than the cheap one")
        return (accepted - self.cheap.accepted) / gap

    @property
    def apgr(self) -> float:
        """Average the recovered gap over all shares of calls to the strong model.

        0.5 is what routing at random gives. One question of two needs the strong model, and the
        score finds it; then a score that says nothing:

        >>> found = curve([Outcome(0.9, 0, 1), Outcome(0.1, 1, 1)])
        >>> blind = curve([Outcome(0.5, 0, 1), Outcome(0.5, 1, 1)])
        >>> found.apgr, blind.apgr
        (0.75, 0.5)
        """
        return sum(
            (after.strong_share - before.strong_share)
            * (self.recovered(before.accepted) + self.recovered(after.accepted))
            / 2.0
            for before, after in pairwise(self.points)
        )

    def calls_for(self, recovered: float) -> float:
        """Give the least share of calls to the strong model that recovers this much of the gap.

        CPT(50 %) is ``calls_for(0.5)``.

        >>> curve([Outcome(0.9, 0, 1), Outcome(0.1, 1, 1)]).calls_for(0.5)
        0.25
        """
        for before, after in pairwise(self.points):
            low, high = self.recovered(before.accepted), self.recovered(after.accepted)
            if low >= recovered:
                return before.strong_share
            if high >= recovered:
                within = (recovered - low) / (high - low)
                return before.strong_share + within * (after.strong_share - before.strong_share)
        return 1.0

    def at_share(self, share: float) -> Point:
        """Give the point at a share of calls to the strong model, between two if need be."""
        shares = [point.strong_share for point in self.points]
        at = bisect_left(shares, share)
        if at == 0:
            return self.points[0]
        if at == len(shares):
            return self.points[-1]
        return _between(self.points[at - 1], self.points[at], share)


def _between(before: Point, after: Point, share: float) -> Point:
    within = (share - before.strong_share) / (after.strong_share - before.strong_share)
    return Point(
        after.threshold,
        share,
        before.accepted + within * (after.accepted - before.accepted),
        before.usd + within * (after.usd - before.usd),
    )


def curve(outcomes: Sequence[Outcome]) -> Curve:
    """Draw the curve: a point for every distinct score.

    Equal scores move together: between two points lies what sending a part of them at random
    would give. Raises ValueError without outcomes.
    """
    if not outcomes:
        raise ValueError("a curve needs at least one outcome")
    return Curve(tuple(_points(sorted(outcomes, key=lambda one: -one.score))))


def _points(outcomes: Sequence[Outcome]) -> Iterator[Point]:
    count = len(outcomes)
    sent = 0
    accepted = sum(one.cheap for one in outcomes)
    usd = sum(one.cheap_usd for one in outcomes)
    yield Point(float("inf"), 0.0, accepted / count, usd / count)
    for score, alike in groupby(outcomes, key=lambda one: one.score):
        for one in alike:
            sent += 1
            accepted += one.strong - one.cheap
            usd += one.strong_usd - one.cheap_usd
        yield Point(score, sent / count, accepted / count, usd / count)


def brier(predicted: Sequence[float], accepted: Sequence[float]) -> float:
    """Average the squared distance of predictions from outcomes; 0.25 is what saying 0.5 gives.

    >>> round(brier([0.9, 0.2], [1.0, 0.0]), 3)
    0.025
    """
    pairs = zip(predicted, accepted, strict=True)
    return sum((told - was) ** 2 for told, was in pairs) / max(len(predicted), 1)


@dataclass(frozen=True, slots=True)
class Reliability:
    """One bin of predictions: what they said on average, what came true, and how many they are."""

    predicted: float
    accepted: float
    count: int


def reliability(
    predicted: Sequence[float], accepted: Sequence[float], bins: int = 10
) -> tuple[Reliability, ...]:
    """Compare predictions with outcomes in bins of equal width; empty bins are left out.

    >>> reliability([0.92, 0.98, 0.15], [1.0, 1.0, 0.0])
    (Reliability(predicted=0.15, accepted=0.0, count=1), \
Reliability(predicted=0.95, accepted=1.0, count=2))
    """
    pairs = Counter(zip(predicted, accepted, strict=True))
    filled: dict[int, list[tuple[float, float, int]]] = {}
    for (told, was), count in pairs.items():
        filled.setdefault(min(int(told * bins), bins - 1), []).append((told, was, count))
    return tuple(
        Reliability(
            sum(told * count for told, _, count in some) / size,
            sum(was * count for _, was, count in some) / size,
            size,
        )
        for _, some in sorted(filled.items())
        for size in [sum(count for _, _, count in some)]
    )


def calibration_error(
    predicted: Sequence[float], accepted: Sequence[float], bins: int = 10
) -> float:
    """Average how far the bins' predictions are from what came true (ECE), by their size.

    >>> round(calibration_error([0.8] * 10, [1.0] * 6 + [0.0] * 4), 3)
    0.2
    """
    binned = reliability(predicted, accepted, bins)
    return sum(one.count * abs(one.predicted - one.accepted) for one in binned) / max(
        len(predicted), 1
    )
