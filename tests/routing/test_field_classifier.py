"""The classifier knows the fields by their examples, and knows what it does not know."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routes import ADDING, REVERSING, SORTING

from tierwise_core.routing import FieldReading
from tierwise_router.classifier import FieldClassifier

EXAMPLES = {"arithmetic": ADDING, "reversing": REVERSING, "sorting": SORTING}
FLOOR = 0.85 / 0.95
LETTERS = FieldClassifier.train(EXAMPLES)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("sort qwxy", "sorting"),
        ("Please SORT the letters: hjkz!", "sorting"),
        ("put zyx in alphabetical order", "sorting"),
        ("reverse qwxy", "reversing"),
        ("spell the word qwxy backwards", "reversing"),
        ("what is 40+2?", "arithmetic"),
        ("add 1 and 2", "arithmetic"),
        ("7 plus 8", "arithmetic"),
    ],
)
def test_a_question_is_known_by_its_wording_whatever_its_letters(text: str, field: str) -> None:
    assert LETTERS.read(text).field == field


@pytest.mark.parametrize(
    "text",
    [
        "hello in capitals",
        "who wrote this opera?",
        "how do I bake bread",
        "book a flight to Lima",
        "xyzzy",
        "",
        "?!",
        "\x00\x01",
        "🎉🎉",
        "今日は天気がいいですね",
    ],
)
def test_what_no_example_resembles_is_nobodys(text: str) -> None:
    assert LETTERS.read(text).field is None
    assert LETTERS.read(text).confidence == 0.0


@pytest.mark.parametrize("text", ["uppercase hello", "shout hello"])
def test_a_neighbour_of_the_examples_stays_below_the_floor(text: str) -> None:
    assert LETTERS.read(text).confidence < FLOOR


def test_the_unseen_form_of_a_word_is_recognised_by_its_pieces() -> None:
    assert LETTERS.read("alphabetise qwxy").field == "sorting"


def test_a_script_without_spaces_is_read_in_pieces() -> None:
    classifier = FieldClassifier.train(
        {
            "sorting": ("単語を並べ替えてください", "文字を並べ替えて", "並べ替えてください"),
            "weather": ("明日の天気を教えて", "今日の天気はどうですか", "週末の天気を教えて"),
        }
    )

    assert classifier.read("この文字列を並べ替えてください").field == "sorting"
    assert classifier.read("今週の天気を教えて").field == "weather"


def test_the_field_probabilities_are_shares_of_one() -> None:
    reading = LETTERS.read("sort the numbers 3 and 4")

    assert set(reading.probabilities) == set(EXAMPLES)
    assert sum(reading.probabilities.values()) == pytest.approx(1.0)


def test_a_single_field_is_told_from_ordinary_requests() -> None:
    classifier = FieldClassifier.train({"sorting": SORTING})

    assert classifier.read("sort the letters qwxy").field == "sorting"
    assert classifier.read("how do I bake bread").field is None


@pytest.mark.parametrize("examples", [{}, {"sorting": ()}, {"sorting": (), "adding": ()}])
def test_without_examples_everything_is_nobodys(examples: dict[str, tuple[str, ...]]) -> None:
    assert FieldClassifier.train(examples).read("sort dbca") == FieldReading(None, 0.0, 0.0)


def test_a_field_without_examples_does_not_disturb_the_others() -> None:
    classifier = FieldClassifier.train({**EXAMPLES, "law": ()})

    assert classifier.read("sort qwxy").field == "sorting"
    assert "law" not in classifier.read("sort qwxy").probabilities


@pytest.mark.parametrize(
    "examples",
    [
        {"one": ("sort dbca",)},
        {"one": ("sort dbca",), "two": ("add 1 and 2",)},
        {"one": ("same",), "two": ("same",)},
        {"one": ("",), "two": ("?",)},
        {"one": ("a",) * 3, "two": ("b",) * 3},
    ],
)
def test_few_or_poor_examples_still_make_a_classifier(
    examples: dict[str, tuple[str, ...]],
) -> None:
    reading = FieldClassifier.train(examples).read("sort dbca")

    assert 0.0 <= reading.in_domain <= 1.0


def test_the_same_question_in_two_fields_is_a_toss_up() -> None:
    examples = {"one": (*SORTING, "shuffle dbca"), "two": (*SORTING, "deal dbca")}

    reading = FieldClassifier.train(examples).read("sort the letters qwxy")

    assert reading.probability == pytest.approx(0.5, abs=0.1)


def test_training_again_gives_the_same_answers() -> None:
    again = FieldClassifier.train(EXAMPLES)

    assert [again.read(text) for text in SORTING] == [LETTERS.read(text) for text in SORTING]


@given(st.text(max_size=2000))
@settings(max_examples=200)
def test_any_text_has_a_reading_in_probabilities(text: str) -> None:
    reading = LETTERS.read(text)

    assert 0.0 <= reading.in_domain <= 1.0
    assert 0.0 <= reading.probability <= 1.0


@pytest.mark.parametrize(
    "part", ["-", "=", "a+", "%20", "\u3000\u00e3\u0080", "\ufdfa", "qz", "0 "]
)
def test_a_text_that_repeats_itself_is_read_like_any_other(part: str) -> None:
    for text in (part * 600, f"sort dbca {part * 120}", f"{part * 90} {part * 80}\nadd 1 and 2"):
        reading = LETTERS.read(text)

        assert sum(reading.probabilities.values()) == pytest.approx(1.0)


@settings(max_examples=60)
@given(st.text(min_size=1, max_size=12), st.integers(1, 600))
def test_whatever_is_repeated_has_a_reading(part: str, times: int) -> None:
    assert 0.0 <= LETTERS.read(part * times).in_domain <= 1.0


def test_a_long_text_is_read_at_its_ends() -> None:
    material = "lorem ipsum " * 20_000

    before = time.thread_time()
    reading = LETTERS.read(material)

    assert reading.field is None
    assert time.thread_time() - before < 0.25


def test_thousands_of_examples_are_solved_by_gradients() -> None:
    many = {
        "sorting": tuple(f"{text} {number}x" for text in SORTING for number in range(400)),
        "arithmetic": tuple(f"{text} {number}x" for text in ADDING for number in range(200)),
    }

    classifier = FieldClassifier.train(many)

    assert classifier.read("sort dbca 7x").field == "sorting"
    assert classifier.read("add 4 and 5 7x").field == "arithmetic"
