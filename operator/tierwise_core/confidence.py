"""How sure we are of an answer: before asking, after asking, and what follows from it.

All confidences are probabilities in [0, 1] that the answer will be accepted. What a model says of
itself is the weakest evidence: a specialist outside its field is wrong at a mean token probability
of 0.90 to 0.98. So the field and the record make the prediction, and the tokens only move it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from tierwise_core import swift

__all__ = [
    "GENERALIST_PRIOR",
    "SPECIALIST_PRIOR",
    "Action",
    "Gate",
    "Record",
    "Verdict",
    "answer_confidence",
    "best_confidence",
    "logit",
    "lowest_evidence",
    "predicted_confidence",
    "sigmoid",
    "token_evidence",
    "token_probability",
    "verdict",
]


@dataclass(frozen=True, slots=True)
class Record:
    """How often a Specialist's answers were accepted and rejected, as counts (weights allowed)."""

    accepted: float = 0.0
    rejected: float = 0.0


SPECIALIST_PRIOR: Final = Record(accepted=19.0, rejected=1.0)
"""What is believed of a Specialist in its own field before it has a record: 0.95."""

GENERALIST_PRIOR: Final = Record(accepted=17.0, rejected=3.0)
"""What is believed of a generalist before it has a record: 0.85."""

# The least Brier score on 3,140 answers of the five models of examples/models, as found by
# `python -m forge evidence` there.
EVIDENCE_PER_LOGIT: Final = 1.0
NEUTRAL_TOKEN: Final = 0.98
MOST_EVIDENCE_FOR: Final = 2.0
MOST_EVIDENCE_AGAINST: Final = -4.0
PLAIN_ANSWER_TOKENS: Final = 16
LEAST: Final = 1e-6
MOST: Final = 1.0 - LEAST
ROUNDING: Final = 1e-3
"""How far above 0 an engine's rounding may lift a log-probability."""


def predicted_confidence(
    probability: float,
    in_domain: float,
    record: Record | None = None,
    prior: Record = SPECIALIST_PRIOR,
) -> float:
    """Predict, before anything is computed, whether a Specialist's answer will be accepted.

    ``probability * in_domain * (a + accepted) / (a + b + accepted + rejected)``: the question is
    of the Specialist's field, it is of any field at all, and Specialists with such a record are
    right that often (the mean of a Beta distribution, ``a`` and ``b`` being the prior's counts).

    A new Specialist and a question that is clearly of its field, then after 90 accepted and 10
    rejected answers:

    >>> round(predicted_confidence(0.99, 0.97), 3)
    0.912
    >>> round(predicted_confidence(0.99, 0.97, Record(accepted=90, rejected=10)), 3)
    0.872

    A question that only looks like the field stays under a floor of 0.85:

    >>> round(predicted_confidence(0.91, 0.51), 3)
    0.441
    """
    known = record or Record()
    accepted = prior.accepted + known.accepted
    return probability * in_domain * accepted / (accepted + prior.rejected + known.rejected)


def best_confidence(predicted: float) -> float:
    """Say how sure the surest tokens could make us: no answer's confidence goes beyond.

    >>> round(best_confidence(0.10), 3), round(best_confidence(0.85), 3)
    (0.451, 0.977)
    """
    return sigmoid(logit(predicted) + MOST_EVIDENCE_FOR)


def token_evidence(token_logprobs: Sequence[float]) -> float:
    """Weigh what an answer's tokens say for (above 0) or against (below 0) it, in logits.

    ``logit(lowest token probability) - logit(0.98)`` within [-4, 2]: a lowest token under 0.98
    makes the answer less likely to be right than was predicted. The lowest token, since one
    doubtful token spoils an answer and the mean hides it.

    >>> [round(token_evidence([0.0, math.log(p)]), 2) for p in (0.999, 0.98, 0.90, 0.59, 0.01)]
    [2.0, 0.0, -1.69, -3.53, -4.0]

    A long answer always has an unlikely token, a choice of words and not a doubt. Above 16 tokens
    the evidence shrinks as ``(16 / tokens) ** 2``:

    >>> round(token_evidence([math.log(0.2)] + [0.0] * 15), 2)
    -4.0
    >>> round(token_evidence([math.log(0.2)] + [0.0] * 159), 2)
    -0.04

    A value that is no probability (NaN, or above 0) counts as the least likely token there is.
    """
    if not token_logprobs:
        return 0.0
    # The least of all, without a look at each: an answer has hundreds of tokens.
    lowest, highest, total = min(token_logprobs), max(token_logprobs), sum(token_logprobs)
    is_odd = total != total or highest > ROUNDING  # noqa: PLR0124 - NaN, wherever it is
    probability = LEAST if is_odd else math.exp(min(lowest, 0.0))
    return lowest_evidence(probability, len(token_logprobs))


def lowest_evidence(lowest: float, tokens: int) -> float:
    """Weigh an answer of ``tokens`` tokens whose least likely one has the probability ``lowest``.

    What :func:`token_evidence` says of the whole answer, for those who saw its tokens one by one.

    >>> round(lowest_evidence(0.90, 12), 2), round(lowest_evidence(0.90, 32), 2)
    (-1.69, -0.42)
    """
    raised = EVIDENCE_PER_LOGIT * (logit(lowest) - NEUTRAL_LOGIT)
    bounded = min(max(raised, MOST_EVIDENCE_AGAINST), MOST_EVIDENCE_FOR)
    if tokens <= PLAIN_ANSWER_TOKENS:
        return bounded
    return (PLAIN_ANSWER_TOKENS / tokens) ** 2 * bounded


def answer_confidence(token_logprobs: Sequence[float], predicted: float) -> float:
    """Judge an answer by what was predicted and by its tokens' log-probabilities.

    Bayes in logits: ``logit(confidence) = logit(predicted) + token_evidence``. No tokens leave
    the prediction as it is. A prediction of 0.91 and tokens that are all but certain; the same with
    one token of 0.59; and a prediction of 0.10, which no certainty of tokens lifts over a floor:

    >>> round(answer_confidence([0.0, -0.0004], 0.91), 3)
    0.987
    >>> round(answer_confidence([0.0, math.log(0.59)], 0.91), 3)
    0.229
    >>> round(answer_confidence([0.0, -0.0004], 0.10), 3)
    0.451
    """
    if not token_logprobs:
        return predicted
    return sigmoid(logit(predicted) + token_evidence(token_logprobs))


def token_probability(logprob: float) -> float:
    """Turn a log-probability into a probability; one that is none counts as the least likely.

    >>> round(token_probability(-0.5), 3), token_probability(float("nan"))
    (0.607, 1e-06)
    """
    # NaN fails the comparison.
    return math.exp(min(logprob, 0.0)) if logprob <= ROUNDING else LEAST


def logit(probability: float) -> float:
    """Log-odds of a probability, kept finite.

    >>> round(logit(0.85), 3), round(logit(1.0), 1)
    (1.735, 13.8)
    """
    bounded = probability if LEAST <= probability <= MOST else min(max(probability, LEAST), MOST)
    return math.log(bounded / (1.0 - bounded))


NEUTRAL_LOGIT: Final = logit(NEUTRAL_TOKEN)


def sigmoid(log_odds: float) -> float:
    """Turn log-odds back into a probability.

    >>> round(sigmoid(1.735), 2)
    0.85
    """
    return 1.0 / (1.0 + math.exp(-log_odds))


class Action(StrEnum):
    """What to do with an answer."""

    ACCEPT = "accept"
    ESCALATE = "escalate"
    ABSTAIN = "abstain"


class Gate(Protocol):
    """What the verdict needs of a hop: the floor its answer must reach."""

    @property
    def floor(self) -> float:
        """The least confidence that is accepted."""
        ...


@swift.dataclass(frozen=True, slots=True)
class Verdict:
    """Accept, escalate or abstain, with the comparison that decided in words."""

    action: Action
    reason: str


def verdict(hop: Gate, confidence: float, *, is_last: bool) -> Verdict:
    """Compare a confidence with the hop's floor; past the last hop nobody may answer.

    >>> from types import SimpleNamespace
    >>> verdict(SimpleNamespace(floor=0.85), 0.41, is_last=False)
    Verdict(action=<Action.ESCALATE: 'escalate'>, reason='0.41 < floor 0.85')
    >>> verdict(SimpleNamespace(floor=0.55), 0.55, is_last=True).action
    <Action.ACCEPT: 'accept'>
    """
    if confidence >= hop.floor:
        return Verdict(Action.ACCEPT, f"{_shown(confidence, hop.floor)} >= floor {hop.floor:.2f}")
    action = Action.ABSTAIN if is_last else Action.ESCALATE
    return Verdict(action, f"{_shown(confidence, hop.floor)} < floor {hop.floor:.2f}")


def _shown(confidence: float, floor: float) -> str:
    """Print two digits, or as many as it takes to be on the right side of the floor."""
    digits = 2 if (round(confidence, 2) >= round(floor, 2)) == (confidence >= floor) else 4
    return f"{confidence:.{digits}f}"
