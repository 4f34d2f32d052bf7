"""Twenty examples per field, a thousand held-out questions: accuracy, outsiders, and time.

``pytest -rP tests/routing/test_field_classifier_on_real_questions.py`` prints the figures.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import pytest
import yaml

from tierwise_core.routing import FieldReading
from tierwise_router.classifier import FieldClassifier

MODELS = Path(__file__).parents[2] / "examples" / "models"
FIELDS = ("arithmetic", "reversing", "sorting")
FLOOR = 0.85 / 0.95


@pytest.fixture(scope="module")
def classifier() -> FieldClassifier:
    examples = yaml.safe_load((MODELS / "examples.yaml").read_text())
    return FieldClassifier.train({field: tuple(sorted(examples[field])) for field in FIELDS})


def questions(family: str) -> list[str]:
    lines = (MODELS / "questions" / f"{family}.jsonl").read_text().splitlines()
    return [json.loads(line)["question"] for line in lines]


def tell(figures: str) -> None:
    print(figures)  # noqa: T201 - -rP shows it


def readings(classifier: FieldClassifier, family: str) -> list[FieldReading]:
    return [classifier.read(question) for question in questions(family)]


def likeliest(reading: FieldReading) -> str:
    return max(reading.probabilities, key=reading.probabilities.__getitem__)


def auroc(insiders: list[float], outsiders: list[float]) -> float:
    wins = sum((a > b) + 0.5 * (a == b) for a in insiders for b in outsiders)
    return wins / (len(insiders) * len(outsiders))


@pytest.mark.parametrize("field", FIELDS)
def test_held_out_questions_find_their_field(classifier: FieldClassifier, field: str) -> None:
    found = readings(classifier, field)

    accuracy = statistics.fmean(likeliest(reading) == field for reading in found)
    confident = statistics.fmean(reading.confidence >= FLOOR for reading in found)
    tell(f"{field}: accuracy {accuracy:.3f}, over the floor {confident:.3f}")
    assert accuracy >= 0.98
    assert confident >= 0.75


@pytest.mark.parametrize("family", ["shouting", "outside"])
def test_questions_of_nobodys_field_are_told_apart(
    classifier: FieldClassifier, family: str
) -> None:
    insiders = [one.in_domain for field in FIELDS for one in readings(classifier, field)]
    found = readings(classifier, family)

    separation = auroc(insiders, [reading.in_domain for reading in found])
    mistaken = statistics.fmean(reading.confidence >= FLOOR for reading in found)
    tell(f"{family}: AUROC {separation:.3f}, wrongly over the floor {mistaken:.3f}")
    assert separation >= 0.97
    assert mistaken <= 0.02


def test_no_confident_reading_is_wrong(classifier: FieldClassifier) -> None:
    for field in FIELDS:
        for reading in readings(classifier, field):
            assert reading.confidence < FLOOR or reading.field == field


def test_a_reading_takes_a_fraction_of_a_millisecond(classifier: FieldClassifier) -> None:
    spent = []
    for question in questions("sorting") + questions("outside"):
        before = time.thread_time()
        classifier.read(question)
        spent.append(time.thread_time() - before)

    median_us = statistics.median(spent) * 1e6
    tell(f"p50 {median_us:.0f} us, p99 {statistics.quantiles(spent, n=100)[98] * 1e6:.0f} us")
    assert median_us < 300
