"""What the evidence says of a candidate, and how much of the traffic it has earned.

The document's rule compares means with a fixed temperature; simulated, it rolls back nearly half of
the equal candidates and hardly ever promotes a small gain. Its softmax, floor and ceiling are kept
here, and its comparison is replaced by evidence that may be looked at after every answer
(:mod:`.wagers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import exp, log
from typing import Final

from tierwise_core.rollout.evidence import Evidence

__all__ = [
    "Certainty",
    "Finding",
    "Judgement",
    "Shares",
    "earned_percent",
    "judge",
    "softmax_share",
    "temperature",
]

SURE_ERRORS: Final = 5.0
"""How many standard errors of difference bring green to the promotion threshold. So many are what
evidence that may be looked at all the time needs as well: share and verdict arrive together."""


class Finding(StrEnum):
    """What the evidence says."""

    UNDECIDED = "Undecided"
    BETTER = "Better"
    NOT_WORSE = "NotWorse"
    EQUAL = "Equal"
    UTILITY_REGRESSION = "UtilityRegression"
    CONTRADICTIONS = "Contradictions"


WORDS: Final = {
    Finding.BETTER: "green is better",
    Finding.EQUAL: "there is no difference that counts",
    Finding.NOT_WORSE: "green is not worse by what counts",
}


@dataclass(frozen=True, slots=True)
class Certainty:
    """The chances of a wrong verdict that are accepted, over the whole life of a rollout.

    ``promote_worse`` is the chance to call a candidate that is worse by delta not worse;
    ``reject_equal`` that to call an equal one worse, ``blame`` that to find contradictions that are
    not there, and ``signal`` that each reversion signal takes back what is not over its line. An
    equal candidate goes back with a chance of at most reject_equal + blame + 5 signal, 5 %.
    """

    promote_worse: float = 0.01
    reject_equal: float = 0.04
    blame: float = 0.005
    signal: float = 0.001
    call_better: float = 0.05


@dataclass(frozen=True, slots=True)
class Shares:
    """How traffic follows utility: percentages, and green's share at which it is promoted."""

    initial_percent: int = 5
    floor_percent: int = 5
    ceiling_percent: int = 95
    temperature: float = 0.05
    threshold: float = 0.9


@dataclass(frozen=True, slots=True)
class Judgement:
    """A finding with its numbers, in words."""

    finding: Finding
    why: str

    @property
    def regressed(self) -> bool:
        """Whether green must go."""
        return self.finding in {Finding.UTILITY_REGRESSION, Finding.CONTRADICTIONS}


def judge(evidence: Evidence, certainty: Certainty = Certainty()) -> Judgement:
    """Say what the evidence comes to; a regression counts before anything good.

    >>> judge(Evidence()).why
    'no answers of both sides to compare yet'
    """
    if not (evidence.blue.judged and evidence.green.judged):
        return Judgement(Finding.UNDECIDED, "no answers of both sides to compare yet")
    if evidence.contradicted_log >= log(1 / certainty.blame):
        return Judgement(Finding.CONTRADICTIONS, _contradictions(evidence))
    if evidence.worse_log >= log(1 / certainty.reject_equal):
        odds = exp(min(evidence.worse_log, 50.0))
        return Judgement(
            Finding.UTILITY_REGRESSION,
            f"{_means(evidence)}; were green as good, this had a chance of 1 in {odds:,.0f}",
        )
    if evidence.not_worse_log < log(1 / certainty.promote_worse):
        return Judgement(Finding.UNDECIDED, _undecided(evidence, certainty))
    finding = _not_worse(evidence, certainty)
    return Judgement(finding, f"{WORDS[finding]}: {_means(evidence)}")


def _not_worse(evidence: Evidence, certainty: Certainty) -> Finding:
    least = log(1 / certainty.call_better)
    if evidence.better_log >= least:
        return Finding.BETTER
    return Finding.EQUAL if evidence.not_better_log >= least else Finding.NOT_WORSE


def _means(evidence: Evidence) -> str:
    blue, green = evidence.blue, evidence.green
    return (
        f"utility {green.mean or 0.0:.3f} of {green.judged} answers against {blue.mean or 0.0:.3f} "
        f"of {blue.judged}, a difference of {evidence.difference or 0.0:+.3f} "
        f"± {1.96 * (evidence.standard_error or 0.0):.3f}"
    )


def _undecided(evidence: Evidence, certainty: Certainty) -> str:
    against = 100 * max(0.0, evidence.worse_log) / log(1 / certainty.reject_equal)
    favour = 100 * max(0.0, evidence.not_worse_log) / log(1 / certainty.promote_worse)
    return (
        f"{_means(evidence)}; {favour:.0f} % of the evidence that promotion needs and "
        f"{against:.0f} % of what a rollback needs"
    )


def _contradictions(evidence: Evidence) -> str:
    blue, green = evidence.blue, evidence.green
    return (
        f"green contradicts what is known in {green.contradictions} of {green.compared} answers, "
        f"blue in {blue.contradictions} of {blue.compared}"
    )


def softmax_share(difference: float, temperature: float) -> float:
    """Return green's share of the softmax of two utilities, by their difference.

    U 0.75 against 0.70 at a temperature of 0.05 (the document's example):

    >>> round(softmax_share(0.75 - 0.70, 0.05), 3)
    0.731
    """
    exponent = max(-700.0, min(700.0, difference / temperature))
    return 1 / (1 + exp(-exponent))


def temperature(fixed: float, standard_error: float, threshold: float) -> float:
    """Return the temperature that the evidence allows, at most the ``fixed`` one.

    With a fixed one a real gain of 0.035 could never pass a share of 0.67. So the temperature falls
    with the standard error: a difference of five standard errors brings green to the threshold.

    >>> round(softmax_share(0.035, temperature(0.05, 0.007, 0.9)), 3)
    0.9
    """
    # A threshold of 1 can be reached only in the limit.
    odds = log(min(threshold, 0.999) / (1 - min(threshold, 0.999)))
    return max(1e-6, min(fixed, SURE_ERRORS * standard_error / odds))


def earned_percent(evidence: Evidence, shares: Shares) -> int:
    """Return the share of the traffic, in percent, that green has earned.

    >>> earned_percent(Evidence(), Shares())
    5
    """
    difference, error = evidence.difference, evidence.standard_error
    if difference is None or error is None:
        return shares.initial_percent
    warm = temperature(shares.temperature, error, shares.threshold)
    share = round(100 * softmax_share(difference, warm))
    return max(shares.floor_percent, min(shares.ceiling_percent, share))
