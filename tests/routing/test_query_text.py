"""What a request asks, found in any body; equal questions share an id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.query import normalise, query_id, request_text

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
    ],
)
def test_questions_that_differ_in_typing_share_an_id(typed: str) -> None:
    assert query_id(typed) == query_id("sort dbca")


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
