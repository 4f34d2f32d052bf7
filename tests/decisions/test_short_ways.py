"""What is worked out by a short way on every request is what the long way gives."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.acceptance import Known, Prediction
from tierwise_core.agreement import SHORT_WORDS, WORD
from tierwise_core.claims import _others, context_id
from tierwise_core.confidence import (
    LEAST,
    MOST_EVIDENCE_AGAINST,
    MOST_EVIDENCE_FOR,
    NEUTRAL_TOKEN,
    PLAIN_ANSWER_TOKENS,
    Record,
    best_confidence,
    logit,
    lowest_evidence,
)
from tierwise_core.provider import NO_REQUIREMENTS
from tierwise_core.query import normalise
from tierwise_core.selection import Judged, Lost, _able
from tierwise_router.answers import _numbers
from tierwise_router.requirements import _read, requirements_for

PROBABILITIES = st.one_of(st.floats(0.0, 1.0), st.sampled_from([0.0, 1e-6, 0.999, 1.0, math.nan]))
ROLES = st.sampled_from(["user", "system", "assistant", None])
MESSAGES = st.lists(
    st.one_of(st.fixed_dictionaries({"role": ROLES, "content": st.text(max_size=5)}), st.just("x")),
    max_size=3,
)
DAY_S = 86400


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


@given(PROBABILITIES)
def test_log_odds_are_bounded_on_both_sides(probability: float) -> None:
    bounded = min(max(probability, LEAST), 1.0 - LEAST)

    assert same(logit(probability), math.log(bounded / (1.0 - bounded)))


@given(PROBABILITIES, st.integers(1, 5000))
def test_the_evidence_of_few_tokens_is_not_shrunk(lowest: float, tokens: int) -> None:
    raised = logit(lowest) - logit(NEUTRAL_TOKEN)
    bounded = min(max(raised, MOST_EVIDENCE_AGAINST), MOST_EVIDENCE_FOR)
    weight = min(1.0, PLAIN_ANSWER_TOKENS / tokens) ** 2

    assert same(lowest_evidence(lowest, tokens), weight * bounded)


def judged(predicted: float, floor: float) -> Judged:
    stop = SimpleNamespace(route=SimpleNamespace(verifiers=()))
    return Judged(cast("Any", stop), Prediction(predicted, 0.0), floor, 0.0)


@given(PROBABILITIES, st.one_of(st.floats(-0.5, 1.5), PROBABILITIES))
def test_only_who_could_reach_the_floor_is_asked_first(predicted: float, floor: float) -> None:
    first, last = judged(predicted, floor), judged(1.0, 0.0)
    lost: list[Lost] = []

    kept = _able([first, last], lost)

    assert (kept[0] is first) == (best_confidence(predicted) >= floor)
    assert len(kept) + len(lost) == 2


@given(MESSAGES, st.booleans())
def test_a_question_that_stands_alone_has_no_context(messages: list[Any], tools: bool) -> None:  # noqa: FBT001
    body: dict[str, Any] = {"messages": messages, **({"tools": ["t"]} if tools else {})}

    assert (context_id(body) == "") == (not _others(messages) and not tools)


@given(st.text(max_size=3 * SHORT_WORDS))
def test_a_text_has_no_more_words_than_characters(text: str) -> None:
    plain = normalise(text)

    assert len(plain) > SHORT_WORDS or len(WORD.findall(plain)) <= SHORT_WORDS


@given(st.lists(st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.text())))
def test_what_is_no_number_counts_as_none(values: list[Any]) -> None:
    told = [value if isinstance(value, int | float) else math.nan for value in values]

    assert all(map(same, _numbers(values), told))


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e6))
def test_a_record_is_worth_its_share_with_one_more_of_each(
    accepted: float, rejected: float
) -> None:
    known = Known(Record(accepted, rejected), cast("Any", None))
    count = accepted + rejected

    assert known.utility == ((accepted + 1.0) / (count + 2.0) if count else None)


@given(st.integers(0, 4000))
def test_who_asks_for_nothing_has_the_requirements_of_the_day(day: int) -> None:
    found = requirements_for([(b"x-region", b"eu")], now_s=day * DAY_S + 1.0)

    assert found == _read(b"", b"", NO_REQUIREMENTS, day)
