"""The questions: right answers, many wordings, and a wall between training and held-out."""

import doctest
import importlib
import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest
import yaml
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from forge.evaluation import question_lines, read_questions
from forge.outside import outside_questions
from forge.phrasings import FIELDS, examples_yaml
from forge.questions import (
    FAMILIES,
    LONGEST,
    Part,
    Question,
    part_of,
    some_questions,
    training_questions,
)
from forge.recipes import RECIPES

MODELS = Path(__file__).parents[2] / "examples" / "models"
SHARES = dict.fromkeys(FAMILIES, 0.25)
PURE_MODULES = (
    "questions",
    "vocabulary",
    "confidence",
    "measures",
    "cards",
    "phrasings",
    "outside",
    "pairs",
)


def drawn(shares: dict[str, float], seed: int, plain_share: float = 0.2) -> Iterator[Question]:
    return training_questions(shares, plain_share, Random(seed))  # noqa: S311 - a seed, no secret


@pytest.fixture(scope="module")
def training() -> list[Question]:
    return list(islice(drawn(SHARES, 1), 4000))


@pytest.mark.parametrize("module", PURE_MODULES)
def test_the_worked_examples_of_the_docstrings_hold(module: str) -> None:
    assert doctest.testmod(importlib.import_module(f"forge.{module}")).failed == 0


@pytest.mark.parametrize(
    ("family", "payload", "answer"),
    [
        ("sorting", "banana", "aaabnn"),
        ("reversing", "Hello", "olleH"),
        ("arithmetic", "99+99", "198"),
        ("arithmetic", "42-42", "0"),
        ("shouting", "Hello", "HELLO"),
    ],
)
def test_each_family_solves_its_payloads(family: str, payload: str, answer: str) -> None:
    assert FAMILIES[family].solve(payload) == answer


def test_a_seed_always_gives_the_same_questions(training: list[Question]) -> None:
    again = list(islice(drawn(SHARES, 1), 200))
    assert again == training[:200]
    assert list(islice(drawn(SHARES, 2), 200)) != training[:200]


def test_the_payload_stands_in_the_question_and_is_solved_by_the_answer(
    training: list[Question],
) -> None:
    for question in training:
        family = FAMILIES[question.family]
        assert all(part in question.text for part in family.split(question.payload))
        assert question.answer == family.solve(question.payload)


def test_training_draws_every_family_wording_style_and_length(training: list[Question]) -> None:
    assert set(Counter(question.family for question in training)) == set(FAMILIES)
    assert {len(q.payload) for q in training if q.payload.isalpha()} == set(range(3, LONGEST + 1))
    assert {question.text[-1] for question in training} >= set(".?!'\"")
    assert any(question.text[0].isupper() for question in training)
    assert all(question.text.isascii() and "=" not in question.text for question in training)


def test_no_training_payload_is_in_another_part(training: list[Question]) -> None:
    assert not [q for q in training if part_of(q.family, q.payload) != "training"]


def test_every_committed_question_is_held_out_and_rightly_answered() -> None:
    for name, family in FAMILIES.items():
        lines = (MODELS / "questions" / f"{name}.jsonl").read_text().splitlines()
        asked = [json.loads(line) for line in lines]
        assert len({one["question"] for one in asked}) == len(asked) == 250
        assert all(part_of(name, one["payload"]) == "held out" for one in asked)
        assert all(one["answer"] == family.solve(one["payload"]) for one in asked)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_committed_questions_are_the_generated_ones(family: str) -> None:
    committed = (MODELS / "questions" / f"{family}.jsonl").read_text()
    assert committed == "\n".join(question_lines(family)) + "\n"


def test_outside_questions_are_ordinary_english_without_answers() -> None:
    lines = (MODELS / "questions" / "outside.jsonl").read_text().splitlines()
    asked = [json.loads(line) for line in lines]
    assert [one["question"] for one in asked] == outside_questions()
    assert {one["answer"] for one in asked} == {""}


def test_the_routing_examples_are_the_generated_ones_and_valid_yaml() -> None:
    text = (MODELS / "examples.yaml").read_text()
    assert text == examples_yaml()
    examples = yaml.safe_load(text)
    assert tuple(examples) == FIELDS
    assert all(len(set(phrasings)) == 20 for phrasings in examples.values())


def test_no_specialist_covers_shouting_but_the_frontier_does() -> None:
    covering = {name for name, recipe in RECIPES.items() if "shouting" in recipe.families}
    assert covering == {"generalist", "frontier"}
    assert RECIPES["generalist"].rounds[0].shares["shouting"] < 0.05, "a taste, to be unsure of it"
    assert "shouting" not in FIELDS


def test_plain_questions_are_the_shortest_wording_alone() -> None:
    plain = islice(drawn({"sorting": 1.0}, 1, plain_share=1.0), 50)
    assert all(question.text == f"sort {question.payload}" for question in plain)


@pytest.mark.parametrize("part", ["training", "checking", "held out"])
def test_questions_of_a_part_use_its_payloads_alone(part: Part) -> None:
    asked = [one for family in FAMILIES for one in some_questions(family, part, 50, seed=5)]
    assert {part_of(one.family, one.payload) for one in asked} == {part}


def test_a_text_classifier_tells_the_fields_apart_from_the_examples_alone() -> None:
    examples = yaml.safe_load((MODELS / "examples.yaml").read_text())
    texts = [text for phrasings in examples.values() for text in phrasings]
    fields = [field for field, phrasings in examples.items() for _ in phrasings]
    classifier = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4)), LogisticRegression(C=10)
    ).fit(texts, fields)
    asked = [one for one in read_questions() if one["family"] in FIELDS]
    predicted = classifier.predict([one["question"] for one in asked])
    assert list(predicted) == [one["family"] for one in asked]
