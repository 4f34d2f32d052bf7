"""Advice on branching: the two bounds, what is not known, and what holds for every graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.decomposition import (
    Bounds,
    Decision,
    FieldFigures,
    OneGPU,
    advise,
    largest_model,
    walk,
)
from tierwise_core.errors import InvalidSizeError
from tierwise_core.wilson import interval, judgements_needed

GIB = 2**30
RTX_4090 = OneGPU("rtx-4090", int(24 * GIB * 0.9), 0.40)


def field(name: str = "law", **figures: Any) -> FieldFigures:
    return FieldFigures(name, **{"volume": 100, "parameters": 70_000_000_000, **figures})


def decision(figures: FieldFigures) -> Decision:
    return advise(figures, RTX_4090).decision


def test_the_sizes_of_the_designs_table_come_out_at_one_byte_per_parameter() -> None:
    table = {80: 70, 40: 35, 24: 20, 16: 14, 8: 7}
    for gib, billions in table.items():
        found = largest_model(OneGPU("gpu", int(gib * GIB * 0.9)), 1.0) / 1e9
        assert found == pytest.approx(billions, rel=0.05)


def test_a_model_that_fits_one_gpu_stops_however_it_contradicts_itself() -> None:
    small = field(parameters=7_000_000_000, contradiction_rate=0.5)
    assert decision(small) is Decision.STOP_HARDWARE


def test_a_large_model_that_is_consistent_stops() -> None:
    assert decision(field(contradiction_rate=0.019)) is Decision.STOP_STATISTICAL


def test_at_the_bound_it_is_not_below_it() -> None:
    two = (FieldFigures("a"), FieldFigures("b"))
    assert decision(field(contradiction_rate=0.02, children=two)) is Decision.BRANCH


def test_weights_that_leave_no_tenth_to_the_cache_do_not_fit_comfortably() -> None:
    weights = int(RTX_4090.usable_bytes * 0.95)
    tight = field(weights_bytes=weights, contradiction_rate=0.05, children=(FieldFigures("a"),))
    assert decision(tight) is Decision.BRANCH
    assert decision(replace(tight, weights_bytes=int(weights * 0.9))) is Decision.STOP_HARDWARE


def test_the_kv_cache_counts() -> None:
    cached = field(parameters=8_000_000_000, kv_cache_bytes=10 * GIB, contradiction_rate=0.05)
    assert decision(cached) is Decision.NAME_SUBFIELDS


def test_a_field_without_subfields_is_told_how_large_theirs_may_be() -> None:
    told = advise(field(contradiction_rate=0.05), RTX_4090)
    assert told.decision is Decision.NAME_SUBFIELDS
    assert "at most 10.4B parameters" in told.reason


def test_a_rate_nobody_knows_is_to_be_measured() -> None:
    told = advise(field(), RTX_4090)
    assert told.decision is Decision.MEASURE
    assert "judge some 753 answers" in told.reason


def test_a_rate_counted_on_few_answers_decides_nothing() -> None:
    few = field(contradiction_rate=0.03, judged=100, children=(FieldFigures("a"),))
    assert decision(few) is Decision.MEASURE
    assert decision(replace(few, judged=2000)) is Decision.BRANCH
    assert decision(replace(few, contradiction_rate=0.01, judged=2000)) is Decision.STOP_STATISTICAL


def test_what_is_hardly_asked_stays_with_its_parent() -> None:
    children = (field("torts", volume=1), field("contracts", volume=90, parameters=7_000_000_000))
    told = advise(field(contradiction_rate=0.06, children=children), RTX_4090)
    assert [each.decision for each in told.children] == [
        Decision.KEEP_WITH_PARENT,
        Decision.STOP_HARDWARE,
    ]


def test_the_root_never_stays_with_a_parent_it_has_not() -> None:
    assert decision(field(volume=0, contradiction_rate=0.01)) is Decision.STOP_STATISTICAL


def test_below_a_field_that_stops_nothing_is_advised() -> None:
    told = advise(field(contradiction_rate=0.01, children=(field("torts"),)), RTX_4090)
    assert told.children == ()


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"contradiction_rate": 1.5}, "/law: contradictionRate is 1.5; give a share from 0 to 1"),
        ({"parameters": 0}, "/law: parameters is 0; give a number above 0"),
        ({"volume": -1}, "/law: volume is -1"),
        ({"children": (FieldFigures("law"),)}, "there is a field 'law' at /law already"),
        ({"children": (FieldFigures("a", volume=101),)}, "its subfields have 101 together"),
    ],
)
def test_figures_that_cannot_be_are_refused_by_field(figures: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidSizeError) as refused:
        advise(field(**figures), RTX_4090)
    assert told in str(refused.value)


@st.composite
def graphs(draw: st.DrawFn, depth: int = 3, name: str = "f", volume: float = 1000) -> FieldFigures:
    count = draw(st.integers(0, 3)) if depth else 0
    shares = [draw(st.floats(0.01, 1)) for _ in range(count)]
    total = sum(shares) + draw(st.floats(0, 1))
    return FieldFigures(
        name,
        volume=volume,
        contradiction_rate=draw(st.none() | st.floats(0, 0.2)),
        judged=draw(st.none() | st.integers(1, 10_000)),
        parameters=draw(st.none() | st.integers(10**8, 10**12)),
        children=tuple(
            draw(graphs(depth - 1, f"{name}{number}", volume * share / total))
            for number, share in enumerate(shares)
        ),
    )


@given(graphs())
def test_only_branched_fields_have_advice_below_them(graph: FieldFigures) -> None:
    for advice in walk(advise(graph, RTX_4090)):
        assert bool(advice.children) == (advice.decision is Decision.BRANCH)
        assert advice.reason


@given(graphs())
def test_a_larger_gpu_never_makes_a_graph_deeper(graph: FieldFigures) -> None:
    small = [each.field for each in walk(advise(graph, RTX_4090))]
    larger = OneGPU("h100", RTX_4090.usable_bytes * 4)
    assert len([each.field for each in walk(advise(graph, larger))]) <= len(small)


@given(graphs(), st.floats(0.001, 0.1), st.floats(0.001, 0.1))
def test_a_laxer_bound_never_makes_a_graph_deeper(
    graph: FieldFigures, one: float, other: float
) -> None:
    strict, lax = sorted((one, other))
    deep = list(walk(advise(graph, RTX_4090, Bounds(contradiction_rate=strict))))
    flat = list(walk(advise(graph, RTX_4090, Bounds(contradiction_rate=lax))))
    assert len(flat) <= len(deep)


@given(st.floats(0, 1), st.integers(1, 100_000))
def test_an_interval_holds_its_rate_and_narrows_with_the_sample(rate: float, sample: int) -> None:
    low, high = interval(rate, sample)
    assert 0 <= low <= rate + 1e-9
    assert rate - 1e-9 <= high <= 1
    narrow_low, narrow_high = interval(rate, sample * 4)
    assert narrow_high - narrow_low <= high - low


def test_the_answers_it_asks_for_do_decide() -> None:
    needed = judgements_needed(0.02, 0.03)
    low, _ = interval(0.03, needed)
    assert low > 0.02
