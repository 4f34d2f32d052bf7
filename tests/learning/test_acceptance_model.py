"""The frozen model: what it predicts, how sure it is, and when floors loosen."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.acceptance import AcceptanceModel, Cell, Known, floor_after, lower_bound
from tierwise_core.confidence import GENERALIST_PRIOR, Record, predicted_confidence
from tierwise_core.query_features import FEATURE_NAMES, QueryFeatures, query_features
from tierwise_core.routing import FieldReading

SHARES = st.floats(0.0, 1.0)
COUNTS = st.floats(0.0, 10_000.0)
TEXTS = st.text(max_size=300)


def reading(share: float = 0.99, in_domain: float = 0.97) -> FieldReading:
    return FieldReading("sorting", share, in_domain, {"sorting": share})


def knowing(known: Known) -> AcceptanceModel:
    return AcceptanceModel({("demo/sorter", "r1"): known})


@given(share=SHARES, in_domain=SHARES)
def test_without_outcomes_it_is_the_formula(share: float, in_domain: float) -> None:
    model = AcceptanceModel.empty()

    own = model.predict("demo/sorter", "", reading(share, in_domain), None, "sorting")
    taking_over = model.predict("demo/general", "", reading(share, in_domain), None, None)

    assert own.probability == pytest.approx(predicted_confidence(share, in_domain))
    assert taking_over.probability == predicted_confidence(1.0, 1.0, None, GENERALIST_PRIOR)
    assert own.support == taking_over.support == 0.0


@given(
    share=SHARES,
    in_domain=SHARES,
    mean=SHARES,
    support=COUNTS,
    weights=st.lists(st.floats(-50, 50), min_size=len(FEATURE_NAMES), max_size=len(FEATURE_NAMES)),
    scale=st.floats(0.05, 20),
    shift=st.floats(-10, 10),
    text=TEXTS,
)
def test_whatever_was_fitted_a_prediction_is_a_probability(  # noqa: PLR0917 - what was fitted
    share: float,
    in_domain: float,
    mean: float,
    support: float,
    weights: list[float],
    scale: float,
    shift: float,
    text: str,
) -> None:
    cell = Cell(mean, support)
    model = knowing(Known(Record(), cell, {}, tuple(weights), scale, shift))

    told = model.predict(
        "demo/sorter", "r1", reading(share, in_domain), query_features(text), "sorting"
    )

    assert 0.0 <= told.lower <= told.probability <= 1.0


@given(mean=SHARES, fewer=COUNTS, more=COUNTS)
def test_more_support_makes_it_surer(mean: float, fewer: float, more: float) -> None:
    fewer, more = sorted((fewer, more))

    def spread(support: float) -> float:
        model = knowing(Known(Record(), Cell(mean, support)))
        told = model.predict("demo/sorter", "r1", reading(1.0, 1.0), None, "sorting")
        return told.probability - told.lower

    assert spread(more) <= spread(fewer) + 1e-12


@given(mean=SHARES, low=SHARES, high=SHARES, scale=st.floats(0.05, 20), shift=st.floats(-5, 5))
def test_the_surer_the_field_the_higher_the_prediction(
    mean: float, low: float, high: float, scale: float, shift: float
) -> None:
    low, high = sorted((low, high))
    model = knowing(Known(Record(), Cell(mean, 5.0), {}, (), scale, shift))

    told = [
        model.predict("demo/sorter", "r1", reading(share, 1.0), None, "sorting").probability
        for share in (low, high)
    ]

    assert told[0] <= told[1] + 1e-12


def test_the_finest_cell_speaks() -> None:
    asked = query_features("sort the letters of dbca")
    other = query_features("put these in order, please: dbca")
    cells: dict[object, Cell] = {
        "sorting": Cell(0.8, 50.0),
        ("sorting", asked.opening, "opening"): Cell(0.6, 20.0),
        ("sorting", asked.question, "question"): Cell(0.3, 4.0),
    }
    model = knowing(Known(Record(), Cell(0.9, 50.0), cells))

    def told(features: QueryFeatures | None) -> float:
        sure = reading(1.0, 1.0)
        return model.predict("demo/sorter", "r1", sure, features, "sorting").probability

    assert told(asked) == 0.3
    assert told(query_features("sort the letters of zyx")) == 0.6
    assert told(other) == told(None) == 0.8


def test_a_revision_that_nobody_saw_gets_what_is_known_of_the_others() -> None:
    model = AcceptanceModel(
        {
            ("demo/sorter", "r1"): Known(Record(90, 10), Cell(0.9, 100.0)),
            ("demo/sorter", ""): Known(Record(), Cell(0.92, 0.0)),
        }
    )

    told = model.predict("demo/sorter", "r2", reading(1.0, 1.0), None, "sorting")

    assert told.probability == 0.92
    assert model.floor_for("demo/sorter", "r1", 0.85, 0.70) < 0.85
    assert model.floor_for("demo/sorter", "r2", 0.85, 0.70) == 0.85


@given(
    accepted=COUNTS,
    rejected=COUNTS,
    more=st.floats(0.0, 100.0),
    initial=SHARES,
    loosened=SHARES,
)
def test_a_better_record_never_raises_a_floor(
    accepted: float, rejected: float, more: float, initial: float, loosened: float
) -> None:
    def floor(record: Record) -> float:
        return floor_after(lower_bound(record), initial, loosened)

    now = floor(Record(accepted, rejected))

    assert floor(Record(accepted + more, rejected)) <= now + 1e-9
    assert floor(Record(accepted, rejected + more)) >= now - 1e-9
    assert min(initial, loosened) - 1e-9 <= now <= max(initial, loosened) + 1e-9


def test_a_floor_that_its_owner_set_stays() -> None:
    model = knowing(Known(Record(1000, 0), Cell(1.0, 1000.0)))

    assert model.floor_for("demo/sorter", "r1", 0.9, None) == 0.9


@given(text=TEXTS)
def test_features_are_kept_as_numbers_alone(text: str) -> None:
    measured = query_features(text)

    assert all(isinstance(number, int) for number in measured.row)
    assert QueryFeatures.from_row(json.loads(json.dumps(measured.row))) == measured
    assert all(abs(value) < 40 for value in measured.values)


@pytest.mark.parametrize(
    "row",
    [None, [], "text", [1, 2, 3], [0.5] * 16, ["x"] * 16, [-1] * 16, [0, 0, 9, 10**9] + [0] * 12],
)
def test_what_is_no_row_of_features_is_none(row: object) -> None:
    assert QueryFeatures.from_row(row) is None


def test_a_model_travels_as_bytes() -> None:
    model = knowing(Known(Record(9, 1), Cell(0.9, 10.0), {"sorting": Cell(0.9, 10.0)}, (0.1,), 1.2))

    assert pickle.loads(pickle.dumps(model)) == model  # noqa: S301 - our own bytes
