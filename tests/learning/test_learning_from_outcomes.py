"""From the journal's rows to predictions: what counts, for how much, and that it is right."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from journals import NOON, decision, feedback
from outcome_logs import question, truth

from tierwise_core.acceptance import AcceptanceModel
from tierwise_core.confidence import Record, predicted_confidence
from tierwise_core.curves import brier, calibration_error
from tierwise_core.policy_learning import LearningPolicy
from tierwise_core.query_features import query_features
from tierwise_core.routing import FieldReading
from tierwise_router.learning.fit import fit
from tierwise_router.learning.outcomes import OutcomeBook

SURE = FieldReading("sorting", 1.0, 1.0, {"sorting": 1.0})
POLICY = LearningPolicy(gate_weight=0.0)


def learned(
    rows: Iterable[Mapping[str, Any]], policy: LearningPolicy = POLICY, now: float = NOON
) -> AcceptanceModel:
    book = OutcomeBook(100_000)
    for row in rows:
        book.take(row)
    return fit(book, policy, now, "1")


def told(model: AcceptanceModel, text: str | None = None, revision: str = "r1") -> float:
    features = query_features(text) if text is not None else None
    return model.predict("demo/sorter", revision, SURE, features, "sorting").probability


def judged(outcomes: Iterable[bool], text: str = "sort dbca") -> list[dict[str, Any]]:
    return [
        row
        for number, accepted in enumerate(outcomes)
        for row in (decision(number, text), feedback(number, accepted=accepted))
    ]


def test_a_record_predicts_as_the_formula_says() -> None:
    model = learned(judged([True] * 18 + [False] * 2))

    assert told(model) == pytest.approx(predicted_confidence(1.0, 1.0, Record(18, 2)))
    assert model.record("demo/sorter", "r1") == Record(18.0, 2.0)


def test_feedback_comes_before_the_verifier_and_the_verifier_before_the_gate() -> None:
    rows = [decision(1, verified=True), feedback(1, accepted=False), decision(2, verified=True)]

    record = learned(rows, LearningPolicy(verifier_weight=0.5)).record("demo/sorter", "r1")

    assert record == Record(accepted=0.5, rejected=1.0)


def test_the_last_feedback_counts() -> None:
    rows = [decision(1), feedback(1, accepted=False), feedback(1, accepted=True)]

    assert learned(rows).record("demo/sorter", "r1") == Record(1.0, 0.0)


def test_feedback_that_is_read_before_its_decision_waits_for_it() -> None:
    model = learned([feedback(1, accepted=False), decision(1)])

    assert model.record("demo/sorter", "r1") == Record(0.0, 1.0)


def test_an_answer_below_its_floor_is_hardly_evidence_and_no_record() -> None:
    rows = [decision(n, confidence=0.1, verdict="escalate", specialist="demo/sorter")
            for n in range(10_000)]  # fmt: skip

    model = learned(rows, LearningPolicy())

    assert model.record("demo/sorter", "r1") == Record()
    assert 0.7 < told(model) < 0.95
    assert model.floor_for("demo/sorter", "r1", 0.85, 0.70) == 0.85


def test_steps_that_failed_and_relayed_answers_without_a_word_say_nothing() -> None:
    failed = decision(1)
    failed["steps"][0]["failure"] = "timeout"
    relayed = decision(2, confidence=None, verdict="relayed")

    assert told(learned([failed, relayed], LearningPolicy())) == 0.95


def test_feedback_on_a_relayed_answer_counts() -> None:
    rows = [decision(1, confidence=None, verdict="relayed"), feedback(1, accepted=False)]

    assert learned(rows).record("demo/sorter", "r1") == Record(0.0, 1.0)


def test_of_an_escalated_request_the_feedback_is_for_whoever_answered() -> None:
    row = decision(1, specialist="demo/frontier")
    row["steps"].insert(0, {**decision(1)["steps"][0], "verdict": "escalate", "confidence": 0.4})

    model = learned([row, feedback(1, accepted=True)])

    assert model.record("demo/frontier", "r1") == Record(1.0, 0.0)
    assert model.record("demo/sorter", "r1") == Record()


def test_a_rejection_outside_its_field_blames_a_specialist_little() -> None:
    inside = learned([decision(1), feedback(1, accepted=False)])
    outside = learned([decision(1, in_domain=0.2), feedback(1, accepted=False)])

    assert told(inside) < told(outside) < 0.95


def test_old_outcomes_count_half_after_a_half_life() -> None:
    policy = LearningPolicy(half_life_seconds=100.0)

    model = learned(judged([True]), policy, now=NOON + 100.0)

    assert model.record("demo/sorter", "r1").accepted == pytest.approx(0.5)


def test_a_new_revision_starts_near_the_old_one_but_with_no_record() -> None:
    model = learned(judged([False] * 40 + [True] * 60))

    assert told(model, revision="r2") == pytest.approx((19 + 6) / 30)
    assert model.record("demo/sorter", "r2") == Record()
    assert told(model, revision="r2") > told(model)


def test_equal_questions_share_their_evidence() -> None:
    rows = [*judged([True] * 30, "sort the word zebra"), *[
        row for n in range(100, 112)
        for row in (decision(n, "sort the word xylophone"), feedback(n, accepted=False))
    ]]  # fmt: skip

    model = learned(rows)

    assert told(model, "Sort the word  XYLOPHONE!") < 0.3
    assert told(model, "sort the word zebra") > 0.8


def test_a_generalist_that_takes_over_is_judged_by_field() -> None:
    rows = [
        row
        for number in range(40)
        for row in (
            decision(number, specialist="demo/all", own_field=None,
                     field="law" if number % 2 else "sorting"),
            feedback(number, accepted=bool(number % 2)),
        )
    ]  # fmt: skip
    model = learned(rows)

    def of(field: str | None) -> float:
        reading = FieldReading(field, 1.0, 1.0, {})
        return model.predict("demo/all", "r1", reading, None, None).probability

    assert of("law") > of(None) > of("sorting")


@pytest.mark.parametrize(
    ("count", "most_brier", "most_ece"), [(400, 0.175, 0.12), (4000, 0.145, 0.05)]
)
def test_it_recovers_what_makes_questions_hard(
    count: int, most_brier: float, most_ece: float
) -> None:
    chance = random.Random(7)  # noqa: S311 - seeded, no secret
    rows: list[dict[str, Any]] = []
    for number in range(count):
        text, _, hard = question(chance)
        accepted = chance.random() < truth("small", "sorting", hard)
        rows += [decision(number, text, at=NOON - count + number),
                 feedback(number, accepted=accepted)]  # fmt: skip
    model = learned(rows)

    fresh = [question(chance) for _ in range(2000)]
    predictions = [told(model, text) for text, _, _ in fresh]
    truths = [truth("small", "sorting", hard) for _, _, hard in fresh]
    came = [float(chance.random() < one) for one in truths]

    without = [told(AcceptanceModel.empty(), text) for text, _, _ in fresh]
    assert brier(predictions, came) < most_brier < brier(without, came)
    assert calibration_error(predictions, came) < most_ece < calibration_error(without, came)


def test_figures_judge_the_predictions_that_were_made_before() -> None:
    rows = [
        row
        for number in range(20)
        for row in (decision(number, predicted=0.9), feedback(number, accepted=number % 2 == 0))
    ]

    figures = learned(rows).figures["demo/sorter"]

    assert (figures["feedback"], figures["verifier"], figures["gate"]) == (20, 0, 0)
    assert figures["ece"] == pytest.approx(0.4)
    assert figures["brier"] == pytest.approx((0.01 + 0.81) / 2)


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"kind": "comparison"},
        {"kind": "decision"},
        {"kind": "decision", "id": 7, "steps": []},
        {"kind": "decision", "id": "d", "steps": {}},
        {"kind": "decision", "id": "d", "steps": [None, "x", {"specialist": 3}]},
        {"kind": "feedback", "decision": "d", "accepted": "yes"},
        {"kind": "feedback", "accepted": True},
    ],
)
def test_rows_that_are_no_outcomes_are_passed_over(row: dict[str, Any]) -> None:
    book = OutcomeBook(10)

    assert not book.take(row)
    assert len(book) == 0


def test_memory_is_bounded_and_what_nobody_judged_crowds_out_nothing() -> None:
    book = OutcomeBook(100)
    for number in range(300):
        book.take(decision(number, verified=True))
    for number in range(1000, 6000):
        book.take(decision(number))
        book.take(feedback(number + 100_000, accepted=True))

    sources = [one.source for one in book]
    assert sources.count("verifier") == 100
    assert sources.count("gate") == 2000
    assert not book.take(feedback(0, accepted=True))
    assert book.take(feedback(299, accepted=True))
    assert book.take(feedback(5999, accepted=True))
