"""Joins the answers to the parts of a request, and keeps who said what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Merged", "PartAnswer", "Source", "merge", "synthesis_prompt"]


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """One part and what came of it.

    ``decision`` names the decision of the part's own request. ``failure`` says in words why there
    is no answer; it is empty where there is one.
    """

    part: str
    answer: str = ""
    specialist: str = ""
    tier: str = ""
    confidence: float | None = None
    cost_usd: float = 0.0
    decision: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Who answered the part that is marked ``[number]`` in the text."""

    number: int
    part: str
    specialist: str
    tier: str
    confidence: float | None
    decisions: tuple[str, ...]
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Merged:
    """One text from all parts, its sources, how sure it is, and what it cost in USD.

    ``complete`` is False when a part has no answer: the text says which.
    """

    text: str
    sources: tuple[Source, ...]
    confidence: float | None
    cost_usd: float
    complete: bool


def merge(answers: Sequence[PartAnswer]) -> Merged:
    r"""Join part answers in the order of the request.

    Equal answers to equal parts are said once, as sure as the least sure of them. The confidence
    is the product of the parts': all must be right for the whole to be right (0.9 x 0.8 = 0.72); it
    is None as soon as one is unknown, and 0 where a part failed.

    >>> done = merge([
    ...     PartAnswer("sort dbca", "abcd", "demo/sorter", "rtx-4090", 0.9, decision="d-1"),
    ...     PartAnswer("add 2 and 3", "5", "demo/adder", "rtx-4090", 0.8, decision="d-2"),
    ... ])
    >>> print(done.text)
    sort dbca
    abcd [1]
    <BLANKLINE>
    add 2 and 3
    5 [2]
    >>> round(done.confidence, 2), done.sources[1].specialist
    (0.72, 'demo/adder')
    """
    unique = _without_repeats(answers)
    blocks = [_block(number, answer) for number, (answer, _) in enumerate(unique, 1)]
    if len(unique) == 1 and not unique[0][0].failure:
        blocks = [unique[0][0].answer]
    return Merged(
        text="\n\n".join(blocks),
        sources=tuple(_source(number, *one) for number, one in enumerate(unique, 1)),
        confidence=_confidence([answer for answer, _ in unique]),
        cost_usd=_cost_usd(answers),
        complete=all(not answer.failure for answer in answers),
    )


def _cost_usd(answers: Sequence[PartAnswer]) -> float:
    """Add the costs up, of a decision that answers several parts once."""
    by_decision = {answer.decision: answer.cost_usd for answer in answers if answer.decision}
    nameless = (answer.cost_usd for answer in answers if not answer.decision)
    return math.fsum((*by_decision.values(), *nameless))


def _without_repeats(
    answers: Sequence[PartAnswer],
) -> list[tuple[PartAnswer, tuple[str, ...]]]:
    """Pair every distinct answer with the decisions that led to it."""
    found: dict[tuple[str, str, str], tuple[PartAnswer, tuple[str, ...]]] = {}
    for answer in answers:
        key = (answer.part, answer.answer, answer.failure)
        first, decisions = found.get(key, (answer, ()))
        found[key] = (
            _less_sure(first, answer),
            tuple(dict.fromkeys((*decisions, answer.decision))),
        )
    return list(found.values())


def _less_sure(one: PartAnswer, other: PartAnswer) -> PartAnswer:
    if one.confidence is None or other.confidence is None:
        return one if one.confidence is None else other
    return one if one.confidence <= other.confidence else other


def _block(number: int, answer: PartAnswer) -> str:
    said = f"(no answer: {answer.failure})" if answer.failure else answer.answer
    return f"{answer.part}\n{said} [{number}]"


def _source(number: int, answer: PartAnswer, decisions: tuple[str, ...]) -> Source:
    return Source(
        number,
        answer.part,
        answer.specialist,
        answer.tier,
        answer.confidence,
        tuple(name for name in decisions if name),
        answer.failure,
    )


def _confidence(answers: Sequence[PartAnswer]) -> float | None:
    if any(answer.failure for answer in answers):
        return 0.0
    product = 1.0
    for answer in answers:
        if answer.confidence is None:
            return None
        product *= answer.confidence
    return product


def synthesis_prompt(text: str, merged: Merged) -> str:
    """Ask a model to write one answer from the parts' answers, and to keep their marks.

    >>> done = merge([PartAnswer("a", "x"), PartAnswer("b", "y")])
    >>> "[1]" in synthesis_prompt("a and b", done)
    True
    """
    return (
        "Answer the request from the partial answers below and from nothing else. Keep the mark "
        "[n] behind what you take from partial answer n. Say which part has no answer.\n\n"
        f"Request:\n{text}\n\nPartial answers:\n{merged.text}"
    )
