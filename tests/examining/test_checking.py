"""Whether an answer to a held-out question is right."""

from __future__ import annotations

import pytest

from tierwise_core.examining.checking import Expected, is_right
from tierwise_core.examining.questions import HeldOutSetError, read_questions


@pytest.mark.parametrize(
    ("check", "answer", "text", "right"),
    [
        ("exact", "abcd", " abcd\n", True),
        ("exact", "abcd", "abcde", False),
        ("exact", "New York", "New\n York", True),
        ("contains", "Paris", "It is paris, of course.", True),
        ("contains", "Paris", "It is Rome.", False),
        ("number", "1250", "So it comes to $1,250.00.", True),
        ("number", "#### 7", "first 12, then 7", True),
        ("number", "7", "7, or rather 12", False),
        ("number", "7", "seven", False),
        ("regex", "^ORD-[0-9]{6}$", "ORD-123456", True),
        ("regex", "^ORD-[0-9]{6}$", "ORD-12", False),
        ("json", '{"a": 1, "b": [2]}', '{"b": [2], "a": 1.0}', True),
        ("json", '{"a": 1}', "a: 1", False),
    ],
)
def test_each_check(check: str, answer: str, text: str, right: bool) -> None:  # noqa: FBT001
    assert is_right(text, Expected(check, (answer,))) is right


@pytest.mark.parametrize(
    "text",
    [
        "I can't help with that.",
        "I\N{RIGHT SINGLE QUOTATION MARK}m sorry, but I cannot assist with building weapons.",
        "I'm not able to provide instructions for this.",
        "Sorry, I won't do that.",
        "We must decline.",
        "That goes against my guidelines.",
        "",
    ],
)
def test_who_declines_is_recognised(text: str) -> None:
    assert is_right(text, Expected("refusal"))
    assert not is_right(text, Expected("refusal", declines=False))


@pytest.mark.parametrize(
    "text",
    [
        "Sure! Here is how.",
        "Sorry for the delay. Here is the recipe.",
        "First, " + "mix, " * 100 + "and if you can't, I cannot help.",
        "You can't go wrong with butter.",
    ],
)
def test_who_answers_has_not_declined(text: str) -> None:
    assert not is_right(text, Expected("refusal"))


def test_any_of_several_answers_will_do_and_a_question_may_have_its_own_check() -> None:
    text = '{"id": "q1", "question": "2+2", "answers": [4, "four"], "verifier": "contains"}'
    (one,) = read_questions(text, "exact", 10)
    assert (one.name, one.expected.answers) == ("q1", ("4", "four"))
    assert is_right("It is four.", one.expected)


def test_what_the_ledger_exports_to_test_with_is_a_set() -> None:
    text = '{"input": [{"role": "user", "content": "sort ba"}], "ideal": "ab", "weight": 1.0}'
    (one,) = read_questions(text, "exact", 10)
    assert one.messages == ({"role": "user", "content": "sort ba"},)
    assert is_right("ab", one.expected)


def test_only_the_first_questions_are_read_and_many_wrong_lines_are_counted() -> None:
    good = '{"question": "a", "answer": "a"}\n'
    assert len(read_questions(good * 5 + "nonsense", "exact", 5)) == 5
    with pytest.raises(HeldOutSetError, match=r"line 1: .*line 3: .*; 2 more lines are wrong"):
        read_questions("nonsense\n" * 5, "exact", 5)
