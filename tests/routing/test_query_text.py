"""What a request asks, found in any body; equal questions share an id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.query import canonical, normalise, query_id, request_text, template_id

WORDS = (
    "please", "kindly,", "could you", "would you please", "hi,", "hello!", "dear bob,", "thanks",
    "thank you very much", "sort", "dbca.", "1,000", "12,34", "$1,234,567", "i want you to",
    ", please", "a lot?", "\u0130", "\u00df", "\u2212", "\u200b",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "typed",
    [
        "sort dbca",
        "Sort DBCA",
        "  sort\t\n dbca  ",
        "sort dbca?",
        "sort dbca ?!.",
        "\uff53\uff4f\uff52\uff54\u3000dbca",
        "\u017fort dbca",
        "sort\u200b dbca",
        "please sort dbca",
        "Please, sort dbca.",
        "Could you please sort dbca?",
        "Hello there! Would you kindly sort DBCA?",
        "I'd like you to sort dbca",
        "sort dbca, please",
        "sort dbca. Thank you very much!",
        "hi, please sort dbca, please. thanks in advance",
    ],
)
def test_questions_that_differ_in_typing_share_an_id(typed: str) -> None:
    assert query_id(typed) == query_id("sort dbca")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("add 1,000 and 2", "add 1000 and 2"),
        ("it costs $12,500", "it costs $12500"),
        ("what is 5 \u2212 3", "what is 5 - 3"),
        ("what is \u0663 + \u0664", "what is 3 + 4"),
        ("don\u2019t sort", "don't sort"),
        ("say \u201chi\u201d", 'say "hi"'),
    ],
)
def test_numbers_dashes_and_quotes_are_read_as_typed(one: str, other: str) -> None:
    assert query_id(one) == query_id(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("add 2 and 3", "add 4 and 5"),
        ("f(1,234)", "f(1234)"),
        ("python 3.10", "python 3.1"),
        ("add 007", "add 7"),
        ("can you swim", "swim"),
        ("how do you say please", "how do you say thank you"),
        ("translate hello, thank you", "translate hello"),
        ("sort the letters of please", "sort the letters of"),
        ("is it true", "is it not true"),
        ("does a dog bite a man", "does a man bite a dog"),
        ("2 - 3", "2 3"),
        ("hello world in python", "world in python"),
        ("please", ""),
    ],
)
def test_questions_with_different_answers_keep_their_ids(one: str, other: str) -> None:
    assert query_id(one) != query_id(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("add 2 and 3", "Please add 17 and 2,500!"),
        ("what is 3.5% of 20", "what is 12% of 1e6"),
        ('translate "good morning" into dutch', "translate 'bye' into Dutch"),
        ("open https://a.example/x?y=1", "open http://b.example"),
        ("where is order ab12cd34", "where is order 99zz88yy"),
    ],
)
def test_one_form_has_one_template(one: str, other: str) -> None:
    assert template_id(one) == template_id(other)
    assert query_id(one) != query_id(other)


def test_another_form_has_another_template() -> None:
    assert template_id("add 2 and 3") != template_id("add 2 to 3 and 4")
    assert template_id("translate 'bye' into dutch") != template_id("translate 'bye' into french")


@given(st.lists(st.sampled_from(WORDS), max_size=14))
def test_the_canonical_form_of_a_canonical_form_is_itself(words: list[str]) -> None:
    once = canonical(" ".join(words))

    assert canonical(once) == once
    assert bool(once) == bool(normalise(" ".join(words)))


@given(st.text())
def test_any_text_has_ids(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)
    assert len(query_id(text)) == len(template_id(text)) == 16


@pytest.mark.parametrize("other", ["sort dbcb", "sortdbca", "sort -dbca", "sort dbca 2", ""])
def test_questions_that_differ_in_meaning_do_not(other: str) -> None:
    assert query_id(other) != query_id("sort dbca")


def test_an_id_is_short_and_the_same_on_every_machine() -> None:
    assert query_id("sort dbca") == "2a89e532609ed4b9"


@given(st.text())
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"messages": [{"role": "user", "content": "sort dbca"}]}, "sort dbca"),
        (
            {
                "messages": [
                    {"role": "system", "content": "be brief"},
                    {"role": "user", "content": "reverse abc"},
                    {"role": "assistant", "content": "cba"},
                    {"role": "user", "content": "sort it"},
                    {"role": "tool", "content": "{}"},
                ]
            },
            "sort it",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "what is"},
                            {"type": "image_url", "image_url": {"url": "data:"}},
                            {"type": "text", "text": "in it?"},
                        ],
                    }
                ]
            },
            "what is in it?",
        ),
        ({"messages": [{"role": "system", "content": "be brief"}]}, ""),
        ({"prompt": "sort dbca"}, "sort dbca"),
        ({"prompt": ["sort dbca", "sort qwe"]}, "sort dbca"),
        ({"prompt": [1, 2, 3]}, ""),
        ({"prompt": [[1, 2], [3]]}, ""),
        ({"prompt": []}, ""),
        ({"messages": "sort"}, ""),
        ({"messages": [None, "x", {"role": "user", "content": None}]}, ""),
        ({"messages": [{"role": "user", "content": [1, {"text": 2}]}]}, ""),
        ({}, ""),
    ],
)
def test_the_text_is_what_the_user_asks_now(body: dict[str, object], text: str) -> None:
    assert request_text(body) == text


@given(st.dictionaries(st.sampled_from(["messages", "prompt"]), JSON))
def test_no_body_is_too_strange_to_look_at(body: dict[str, object]) -> None:
    assert isinstance(request_text(body), str)


@given(st.lists(st.dictionaries(st.sampled_from(["role", "content"]), JSON | st.just("user"))))
def test_no_chat_is_too_strange_to_look_at(messages: list[object]) -> None:
    assert isinstance(request_text({"messages": messages}), str)
