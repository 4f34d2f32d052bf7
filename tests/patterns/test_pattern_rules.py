"""Decompose, merge, refine and compare: what holds for whatever comes in."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.agreement import compare
from tierwise_core.decompose import read_parts, split_parts
from tierwise_core.merge import PartAnswer, merge
from tierwise_core.policy_patterns import EvaluatorOptimizer
from tierwise_core.refine import Attempt, Critique, Done, Evaluate, Generate, next_step

TEXT = st.text(max_size=200)
SCORES = st.one_of(st.none(), st.floats(0, 1))


@given(TEXT, st.integers(2, 8))
def test_a_split_loses_nothing_and_stays_within_its_limit(text: str, limit: int) -> None:
    parts = split_parts(text, limit)

    assert 1 <= len(parts) <= limit
    if len(parts) == 1:
        assert parts == (text.strip(),)
    for word in text.split():
        bare = word.strip("-*\u2022().:0123456789")
        assert not bare or any(bare in part for part in parts)


def test_prose_is_not_taken_apart() -> None:
    letter = (
        "We moved in last May, and since then the heating has not worked on a single cold day,\n"
        "although two of your technicians came, looked at it for an hour each, and left again,\n"
        "so that we would now like to know what you are going to do about it this time."
    )

    assert split_parts("Summarise this. Be brief.", 8) == ("Summarise this. Be brief.",)
    assert split_parts("Write a poem? No, a song.", 8) == ("Write a poem? No, a song.",)
    assert len(split_parts(letter.replace(",\n", ", and moreover "), 8)) == 1


def test_too_many_items_are_not_split_at_all() -> None:
    text = "\n".join(f"{number}. add {number} and 1" for number in range(1, 10))

    assert len(split_parts(text, 9)) == 9
    assert split_parts(text, 8) == (text,)


@given(st.lists(st.text(min_size=1, max_size=20).filter(str.strip), min_size=1, max_size=6))
def test_a_list_of_a_model_is_read_as_it_was_written(parts: list[str]) -> None:
    told = read_parts(json.dumps(parts), 6)

    assert told == tuple(part.strip() for part in parts)


@given(TEXT)
def test_whatever_a_decomposer_says_is_read_without_an_error(answer: str) -> None:
    assert len(read_parts(answer, 4)) <= 4


PARTS = st.builds(
    PartAnswer,
    part=st.sampled_from(["a", "b", "c"]),
    answer=st.sampled_from(["x", "y"]),
    specialist=st.sampled_from(["demo/one", "demo/two"]),
    confidence=st.one_of(st.none(), st.floats(0, 1)),
    cost_usd=st.floats(0, 1),
    decision=st.uuids().map(str),
    failure=st.sampled_from(["", "", "upstream died"]),
)


@given(st.lists(PARTS, min_size=1, max_size=6))
def test_a_merge_keeps_every_source_and_is_no_surer_than_its_weakest(
    answers: list[PartAnswer],
) -> None:
    merged = merge(answers)

    for answer in answers:
        assert any(
            source.part == answer.part and answer.decision in source.decisions
            for source in merged.sources
        )
        if merged.confidence is not None and answer.confidence is not None:
            assert merged.confidence <= answer.confidence
    assert merged.complete is not any(answer.failure for answer in answers)
    assert [source.number for source in merged.sources] == list(range(1, len(merged.sources) + 1))
    assert abs(merged.cost_usd - sum(answer.cost_usd for answer in answers)) < 1e-9


@given(st.lists(SCORES, max_size=20), st.integers(1, 6), st.floats(0, 1))
def test_an_iteration_ends_within_its_cap_and_uses_the_best(
    scores: list[float | None], cap: int, accept: float
) -> None:
    rule = EvaluatorOptimizer("writer", "critic", accept, cap)
    attempts: list[Attempt] = []
    given_scores = iter([*scores, *[None] * 20])
    calls = 0
    while not isinstance(step := next_step(rule, "a haiku", attempts), Done):
        calls += 1
        if isinstance(step, Generate):
            attempts.append(Attempt(f"draft {len(attempts) + 1}"))
        else:
            assert isinstance(step, Evaluate)
            critique = Critique(next(given_scores), "more sea")
            attempts[-1] = Attempt(attempts[-1].answer, critique)

    seen = [one.critique.score or 0.0 for one in attempts if one.critique]
    assert calls == 2 * len(attempts) <= 2 * cap
    assert seen[step.index] == max(seen)
    known = attempts[step.index].critique
    assert known is not None
    assert step.accepted is (known.score is not None and known.score >= accept)


def test_the_next_draft_sees_the_last_one_and_its_criticism() -> None:
    rule = EvaluatorOptimizer("writer", "critic")

    step = next_step(rule, "a haiku", [Attempt("old pond", Critique(0.1, "name a frog"))])

    assert isinstance(step, Generate)
    assert "old pond" in step.prompt
    assert "name a frog" in step.prompt
    assert "a haiku" in step.prompt


@given(TEXT, TEXT)
def test_comparing_is_symmetric_and_everything_equals_itself(one: str, other: str) -> None:
    assert compare(one, other) == compare(other, one)
    assert compare(one, one).score == 1.0
    assert 0.0 <= compare(one, other).score <= 1.0


def test_numbers_decide_over_words() -> None:
    long = "The quarterly revenue of the group rose by {} percent to a new record in this year"

    assert compare(long.format(12), long.format(13)).score == 0.0
    assert compare(long.format(12), long.format(12) + " again").score > 0.9
