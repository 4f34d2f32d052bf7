"""Questions that are nearly one have nearly one sketch, and are never taken for one."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.likeness import likeness, near, similarity_id
from tierwise_core.query import canonical, query_id

WORD = st.text("abcdefgh", min_size=1, max_size=6)
FEW = st.lists(WORD, max_size=4)
MANY = st.lists(WORD, min_size=1, max_size=16)


def sketch(text: str) -> str:
    return similarity_id(canonical(text))


def jaccard(one: set[str], other: set[str]) -> float:
    together = one | other
    return len(one & other) / len(together) if together else 1.0


@given(FEW, FEW)
def test_of_short_questions_the_likeness_is_exact(one: list[str], other: list[str]) -> None:
    found = likeness(similarity_id(" ".join(one)), similarity_id(" ".join(other)))

    assert found == pytest.approx(jaccard(set(one), set(other)))


@given(st.text(max_size=80))
def test_equal_questions_have_equal_sketches(text: str) -> None:
    politely = f"Please  {text.upper()}!"

    if query_id(politely) == query_id(text):
        assert sketch(politely) == sketch(text)


@given(MANY, MANY)
def test_likeness_is_a_share_and_the_same_from_both_sides(one: list[str], other: list[str]) -> None:
    first, second = similarity_id(" ".join(one)), similarity_id(" ".join(other))

    assert 0.0 <= likeness(first, second) <= 1.0
    assert likeness(first, second) == likeness(second, first)
    assert likeness(first, first) == 1.0


@given(MANY, st.randoms(use_true_random=False))
def test_the_order_of_words_does_not_count(words: list[str], chance: object) -> None:
    mixed = list(words)
    chance.shuffle(mixed)  # type: ignore[attr-defined]

    assert similarity_id(" ".join(words)) == similarity_id(" ".join(mixed))


def test_of_long_questions_the_likeness_is_right_on_the_average() -> None:
    errors = []
    for start in range(200):
        shared = [f"b{start}x{n}" for n in range(10)]
        one = shared + [f"o{start}x{n}" for n in range(5)]
        other = shared + [f"t{start}x{n}" for n in range(5)]
        errors.append(likeness(*(similarity_id(" ".join(text)) for text in (one, other))) - 0.5)

    assert abs(fmean(errors)) < 0.03


@pytest.mark.parametrize(
    ("one", "other", "are_near"),
    [
        ("how do I reset my password", "How do I reset the password?", True),
        ("what is the capital of France", "the capital of France is what", True),
        ("what is the capital of France", "what is the population of Peru", False),
        ("sort dbca", "sort zyx", False),
    ],
)
def test_near_duplicates_are_found(one: str, other: str, *, are_near: bool) -> None:
    assert near(sketch(one), sketch(other)) is are_near
    assert query_id(one) != query_id(other) or one == other


@given(st.text(max_size=2000))
def test_a_sketch_is_short_whatever_the_question(text: str) -> None:
    assert len(similarity_id(text)) <= 64
