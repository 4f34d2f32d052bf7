"""How useful a model was when it began to serve, how useful it is now, and whether that changed.

The document's rule is ``|U - U_base| > delta, held for T interactions``. Compared as plain means of
T answers it would find drift all the time: of ten answers the standard error alone is three times
delta. So we bet, as rollouts do (:mod:`tierwise_core.rollout.wagers`): against the claim that U is
still within delta of the base, whenever one looks. Once the bet is won, T more answers have to say
the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, sqrt
from typing import Final, Literal

from tierwise_core.field_profiles import FieldJudgement
from tierwise_core.rollout.counted import SideCount
from tierwise_core.rollout.purses import WORSE, WORSE_BY, WORSE_PURSE, Purse
from tierwise_core.rollout.samples import NOTHING, SideSample
from tierwise_core.rollout.wagers import Contest, Expected, Sums

__all__ = ["Base", "Change", "Course", "follow", "is_learning", "told"]

Change = Literal["", "fell", "rose"]

CHANCE: Final = 0.01
"""The accepted chance of a false alarm, in each stretch of :data:`STRETCH` looks."""
STRETCH: Final = 200
FIRST_LEARNT: Final = 100
FIRST_LEARNT_T: Final = 25
MOST_LEARNT: Final = 1000
LEAST_VARIANCE: Final = 1e-3
ERRORS: Final = 2.0
"""By how many of its standard errors the base may be off without that being called drift."""
RECOVERS_T: Final = 10
SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Base:
    """U as it was: mean and variance of ``judged`` answers, from ``since`` (epoch seconds) on."""

    utility: float
    variance: float
    judged: int
    since: float = 0.0

    @property
    def standard_error(self) -> float:
        """How far the mean may be off.

        >>> round(Base(0.85, 0.08, 200).standard_error, 3)
        0.02
        """
        return sqrt(max(self.variance, LEAST_VARIANCE) / max(self.judged, 1))


@dataclass(frozen=True, slots=True)
class Course:
    """What is known of one model that serves; empty at first.

    Attributes:
        serves: the digest of the model; another model begins anew.
        revisions: the revisions under which it has served.
        since: from when on its answers are counted, and ``until`` the last look, in epoch seconds.
        counted: the ledger's sums that were taken in.
        base: U as it was; None while too few answers were judged.
        recent: the answers of late, for people.
        fell: the bets that U is below the base, ``rose`` above.
        looks: how many looks the bets have lasted.
        suspected: what the bets say has happened, ``held`` the answers since they said so.
        detected: what has happened for sure, at ``detected_at``.
    """

    serves: str = ""
    revisions: tuple[str, ...] = ()
    since: float = 0.0
    until: float = 0.0
    counted: SideCount = SideCount()  # noqa: RUF009 - it is frozen
    base: Base | None = None
    recent: SideSample = NOTHING
    fell: Purse = WORSE
    rose: Purse = WORSE
    looks: int = 0
    suspected: Change = ""
    held: SideSample = NOTHING
    detected: Change = ""
    detected_at: float | None = None


def follow(course: Course, added: SideSample, judgement: FieldJudgement) -> Course:
    """Take in what was judged since the last look; ``course.until`` is the time of this one.

    A look at which nothing was judged changes nothing.

    >>> first = follow(Course(), SideSample(judged=100, utility=80.0, utility_squared=70.0),
    ...     FieldJudgement())
    >>> first.base.utility, first.base.judged, first.detected
    (0.8, 100, '')
    """
    if not added.judged or added.problem():
        return course
    after = replace(course, recent=_of_late(course.recent, added))
    if is_learning(course, judgement):
        return replace(after, base=_learnt(course, added))
    if course.detected:
        return _recovering(after, added, judgement)
    if course.suspected:
        return _held(after, added, judgement)
    return _watched(after, added, judgement)


def is_learning(course: Course, judgement: FieldJudgement) -> bool:
    """Say whether too few answers were judged to tell how useful the model is."""
    return course.base is None or course.base.judged < _first_learnt(judgement)


def _first_learnt(judgement: FieldJudgement) -> int:
    return max(FIRST_LEARNT, FIRST_LEARNT_T * judgement.interactions)


def _learnt(course: Course, added: SideSample) -> Base:
    """Add to what is known of the base; its sums are put together again from mean and variance."""
    before = course.base or Base(0.0, 0.0, 0, course.since)
    count = before.judged + added.judged
    total = before.utility * before.judged + added.utility
    squares = (before.variance + before.utility**2) * before.judged + added.utility_squared
    mean = total / count
    return Base(mean, max(0.0, squares / count - mean * mean), count, before.since)


def _of_late(recent: SideSample, added: SideSample) -> SideSample:
    """Keep at least the last hundred answers, and at most some two hundred."""
    return added if recent.judged >= SHOWN else recent + added


def _watched(course: Course, added: SideSample, judgement: FieldJudgement) -> Course:
    """Bet on the new answers; what was known of U came before them."""
    base, delta = course.base, judgement.noticeable_change
    if base is None:
        return course
    sums = Sums(added.judged, added.utility, added.utility_squared)
    known = Expected(base.utility, max(base.variance, LEAST_VARIANCE))
    off = ERRORS * base.standard_error
    low = Expected(max(0.0, base.utility - off), LEAST_VARIANCE)
    high = Expected(min(1.0, base.utility + off), LEAST_VARIANCE)
    below = Contest(sums, Sums.certain(low.mean), known, low)
    above = Contest(Sums.certain(high.mean), sums, high, known)
    fell = course.fell.bet([below.gain(0.0, by * delta) for by in WORSE_BY], late_starts=True)
    rose = course.rose.bet([above.gain(0.0, by * delta) for by in WORSE_BY], late_starts=True)
    after = replace(course, fell=fell, rose=rose, looks=course.looks + 1)
    won = {"fell": _is_won(fell), "rose": _is_won(rose)}
    if any(won.values()):
        return replace(after, suspected="fell" if won["fell"] else "rose", held=NOTHING)
    if any(purse.capital(WORSE_PURSE) > 0 for purse in (fell, rose)):
        return after  # while the bets lean to a change nothing of it may get into the base
    if base.judged < MOST_LEARNT:
        after = replace(after, base=_learnt(course, added))
    return _afresh(after) if after.looks >= STRETCH else after


def _is_won(purse: Purse) -> bool:
    return purse.capital(WORSE_PURSE) >= log(1 / CHANCE)


def _afresh(course: Course) -> Course:
    return replace(course, fell=WORSE, rose=WORSE, looks=0, suspected="", held=NOTHING)


def _held(course: Course, added: SideSample, judgement: FieldJudgement) -> Course:
    """After T more answers: U is beyond delta, then and of late; or, after many more, it is not."""
    held, counts = course.held + added, judgement.noticeable_change
    after = replace(course, held=held)
    if held.judged < judgement.interactions:
        return after
    if _is_beyond(course, held, counts) and _is_beyond(course, course.recent, counts):
        return replace(after, detected=course.suspected, detected_at=course.until, held=NOTHING)
    return _afresh(after) if held.judged >= _many(judgement) else after


def _many(judgement: FieldJudgement) -> int:
    return max(FIRST_LEARNT // 2, RECOVERS_T * judgement.interactions)


def _recovering(course: Course, added: SideSample, judgement: FieldJudgement) -> Course:
    """What was detected stays until a good many answers say otherwise."""
    held = course.held + added
    if held.judged < _many(judgement):
        return replace(course, held=held)
    if _is_beyond(course, held, judgement.noticeable_change / 2):
        return replace(course, held=NOTHING)
    return _afresh(replace(course, detected="", detected_at=None))


def _is_beyond(course: Course, held: SideSample, by: float) -> bool:
    base, mean = course.base, held.mean
    if base is None or mean is None:
        return False
    down = "fell" in {course.suspected, course.detected}
    return mean < base.utility - by if down else mean > base.utility + by


def told(course: Course, judgement: FieldJudgement) -> str:
    """Tell where U stands, in words and numbers.

    >>> told(Course(base=Base(0.85, 0.08, 400), recent=SideSample(judged=50, utility=30.0),
    ...     detected="fell"), FieldJudgement())
    'utility fell to 0.600 of 50 answers, from 0.850 of 400 (0.04 counts, and it held for T 4)'
    """
    base, recent = course.base, course.recent
    if base is None or is_learning(course, judgement):
        known, least = base.judged if base else 0, _first_learnt(judgement)
        return f"{known} of the {least} judged answers that tell how useful the model is"
    now = f"{recent.mean or 0.0:.3f} of {recent.judged} answers"
    before = f"{base.utility:.3f} of {base.judged}"
    counts = f"{judgement.noticeable_change:g} counts"
    if course.detected:
        return (
            f"utility {course.detected} to {now}, from {before} ({counts}, and it held for "
            f"T {judgement.interactions})"
        )
    if course.suspected:
        left = judgement.interactions - course.held.judged
        seems = f"utility seems to have {_past(course.suspected)}"
        return f"{seems}: {now}, {before} before; {left} more answers will tell"
    return f"utility {now}, {before} before; {counts}"


def _past(change: Change) -> str:
    return "fallen" if change == "fell" else "risen"
