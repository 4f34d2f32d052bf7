"""Checks that the real vLLM answers as transformers' greedy decoding does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from forge.answering import Reply, answer
from forge.directory import MODELS, load
from forge.evaluation import read_questions
from forge.questions import FAMILIES
from forge.serving import Served, ask_server, server

NEAR_TIE: Final = 0.2
"""A lead that rounding may overturn: both engines round to bfloat16, each in an order of its own,
which has been seen to move a probability by 0.1."""


@dataclass(frozen=True, slots=True)
class Report:
    """How far vLLM and transformers agree on one model."""

    text: str
    agrees: bool


def some_questions(each: int) -> list[str]:
    """Take the first few questions of every family, and of those outside all."""
    asked = read_questions()
    names = [*FAMILIES, "outside"]
    return [
        one["question"]
        for name in names
        for one in [question for question in asked if question["family"] == name][:each]
    ]


def is_sure(reply: Reply) -> bool:
    """Tell whether no token was a near tie, which rounding may turn either way."""
    return min(a - b for a, b in zip(reply.probabilities, reply.runner_ups, strict=True)) > NEAR_TIE


def compare(name: str, expected: Sequence[Reply], served: Sequence[Served]) -> Report:
    """Compare texts, token counts and probabilities, answer by answer."""
    same = [reply.text == got.text for reply, got in zip(expected, served, strict=True)]
    sure = [is_sure(reply) for reply in expected]
    gaps = [
        abs(min(reply.probabilities) - min(got.probabilities))
        for reply, got, equal in zip(expected, served, same, strict=True)
        if equal and reply.ended and len(reply.probabilities) == len(got.probabilities)
    ]
    ended = sum(got.finish_reason == "stop" for got in served)
    surely_same = sum(a for a, b in zip(same, sure, strict=True) if b)
    text = (
        f"{name}: {sum(same)} of {len(same)} answers equal, {surely_same} of {sum(sure)} sure; "
        f"{ended} ended by </s>; {len(gaps)} equal token for token, their lowest probability "
        f"differs by {max(gaps, default=0.0):.3f} at most"
    )
    return Report(text, agrees=surely_same == sum(sure))


def verify(name: str, each: int) -> Report:
    """Serve one model, ask both, compare."""
    asked = some_questions(each)
    expected = answer(load(MODELS / name), asked)
    with server(name) as base:
        served = [ask_server(base, name, question) for question in asked]
    return compare(name, expected, served)
