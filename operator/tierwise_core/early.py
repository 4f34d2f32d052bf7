"""Whether a stream may flow while its answer is still being made.

An answer is judged by its least likely token and by its length (:mod:`tierwise_core.confidence`).
Of a stream only the beginning is known, and both will change: a later token may be less likely,
and every further token makes an unlikely one weigh less. So three questions are asked in turn.

1. Could it still reach the floor? Evidence against an answer is weakest in the longest answer it
   may become. When even that stays below the floor, nothing that follows matters: reject.
2. Could it still fall below? The worst that can follow is a token of no probability at all, in the
   shortest answer that has one. When even that stays above the floor: accept. Since one token
   weighs less the longer an answer is, this ends every doubt sooner or later, and so bounds what
   is held back: 42 tokens where 0.91 was predicted and the floor is 0.85.
3. Is it sure enough by now? After some tokens, with most of the doubt gone that the floor allows:
   accept. This is the one that may be wrong; how often was measured on the example models'
   answers (docs/decisions/streams-begin-early.md).

Else the stream is held back and the next token awaited. An answer that ends is judged whole.
"""

from __future__ import annotations

from enum import StrEnum

from tierwise_core import swift
from tierwise_core.confidence import (
    MOST_EVIDENCE_AGAINST,
    MOST_EVIDENCE_FOR,
    PLAIN_ANSWER_TOKENS,
    logit,
    lowest_evidence,
    sigmoid,
)
from tierwise_core.policy_streaming import StreamingPolicy

__all__ = ["Early", "Outlook", "early_verdict", "outlook", "prefix_confidence", "worst_after"]


class Early(StrEnum):
    """What to do with a stream of which the beginning is known."""

    ACCEPT = "accept"
    WAIT = "wait"
    REJECT = "reject"


@swift.dataclass(frozen=True, slots=True)
class Outlook:
    """The confidence in a stream now, and the best and the worst that may become of it."""

    now: float
    best: float
    worst: float


def prefix_confidence(predicted: float, lowest: float, tokens: int) -> float:
    """Judge the first tokens of an answer as if it ended with them.

    ``lowest`` is the probability of the least likely of them. No tokens leave the prediction.

    >>> round(prefix_confidence(0.91, 0.9996, 2), 3), prefix_confidence(0.91, 1.0, 0)
    (0.987, 0.91)
    """
    if not tokens:
        return predicted
    return sigmoid(logit(predicted) + lowest_evidence(lowest, tokens))


def outlook(predicted: float, lowest: float, tokens: int, longest: int | None = None) -> Outlook:
    """Say where the confidence in a stream stands and between which bounds it will end.

    ``longest`` is the most tokens the answer may have, None where nobody knows: then evidence
    against it may still shrink to nothing, and the best is the prediction itself.

    One token of 0.59 among five, in an answer that cannot be longer than 11 tokens, and in one
    that may be of any length:

    >>> seen = outlook(0.91, 0.59, 5, longest=11)
    >>> [round(value, 3) for value in (seen.worst, seen.now, seen.best)]
    [0.156, 0.229, 0.229]
    >>> round(outlook(0.91, 0.59, 5).best, 2)
    0.91
    """
    if not tokens:
        lifted = sigmoid(logit(predicted) + MOST_EVIDENCE_FOR)
        return Outlook(predicted, lifted, worst_after(predicted, 0))
    now = prefix_confidence(predicted, lowest, tokens)
    worst = min(now, worst_after(predicted, tokens))
    if now >= predicted:
        return Outlook(now, now, worst)
    if longest is None:
        return Outlook(now, predicted, worst)
    return Outlook(now, prefix_confidence(predicted, lowest, max(tokens, longest)), worst)


def worst_after(predicted: float, tokens: int) -> float:
    """The least confidence an answer can end with that has more than ``tokens`` tokens.

    >>> round(worst_after(0.91, 7), 3), round(worst_after(0.91, 42), 3)
    (0.156, 0.853)
    """
    weight = min(1.0, PLAIN_ANSWER_TOKENS / (tokens + 1)) ** 2
    return sigmoid(logit(predicted) + weight * MOST_EVIDENCE_AGAINST)


def early_verdict(
    seen: Outlook, floor: float, tokens: int, policy: StreamingPolicy
) -> tuple[Early, str]:
    """Decide about a stream that has not ended, with what decided in words.

    >>> policy = StreamingPolicy()
    >>> early_verdict(outlook(0.91, 0.9996, 3), 0.85, 3, policy)
    (<Early.WAIT: 'wait'>, 'too few tokens')
    >>> early_verdict(outlook(0.91, 0.9996, 8), 0.85, 8, policy)
    (<Early.ACCEPT: 'accept'>, '0.9868 after 8 tokens')
    >>> early_verdict(outlook(0.91, 0.59, 5, longest=11), 0.85, 5, policy)
    (<Early.REJECT: 'reject'>, 'at most 0.23 < floor 0.85')
    >>> early_verdict(outlook(0.91, 0.59, 42), 0.85, 42, policy)
    (<Early.ACCEPT: 'accept'>, 'at least 0.85 >= floor 0.85')
    """
    if seen.best < floor:
        return Early.REJECT, f"at most {seen.best:.2f} < floor {floor:.2f}"
    if seen.worst >= floor:
        return Early.ACCEPT, f"at least {seen.worst:.2f} >= floor {floor:.2f}"
    if tokens < policy.early_tokens:
        return Early.WAIT, "too few tokens"
    if 1.0 - seen.now <= (1.0 - floor) * policy.doubt_share:
        return Early.ACCEPT, f"{seen.now:.4f} after {tokens} tokens"
    return Early.WAIT, "too much doubt"
