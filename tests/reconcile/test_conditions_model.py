"""Conditions against a model: a transition time moves exactly when the status does."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from observed import NOON

from tierwise_core.conditions import (
    FALSE,
    TRUE,
    UNKNOWN,
    Condition,
    Verdict,
    aggregate,
    clip,
    merge,
    parse_rfc3339,
    read_conditions,
    rfc3339,
    transitions,
)

TYPES = ("Sized", "Placed", "Ready")
verdicts = st.lists(
    st.builds(
        Verdict,
        type=st.sampled_from(TYPES),
        status=st.sampled_from([TRUE, FALSE, UNKNOWN]),
        reason=st.sampled_from(["A", "B"]),
        message=st.text(max_size=5),
    ),
    unique_by=lambda verdict: verdict.type,
    max_size=3,
)


@given(st.lists(verdicts, max_size=12))
def test_a_transition_time_is_when_the_status_became_what_it_is(looks: list[list[Verdict]]) -> None:
    published: dict[str, Condition] = {}
    since: dict[str, tuple[str, str]] = {}
    for minute, look in enumerate(looks):
        now = NOON + timedelta(minutes=minute)
        merged = merge(published, look, minute, now)
        for verdict in look:
            if since.get(verdict.type, ("", ""))[0] != verdict.status:
                since[verdict.type] = (verdict.status, rfc3339(now))
        published = {condition.type: condition for condition in merged}
        since = {kind: moment for kind, moment in since.items() if kind in published}
        assert {c.type: (c.status, c.last_transition_time) for c in merged} == since
        assert all(c.observed_generation == minute for c in merged)


@given(verdicts)
def test_the_wire_form_reads_back(look: list[Verdict]) -> None:
    merged = merge({}, look, 3, NOON)
    wire = {"conditions": [condition.to_json() for condition in merged]}
    assert tuple(read_conditions(wire).values()) == merged


@given(verdicts)
def test_the_same_look_twice_is_no_transition(look: list[Verdict]) -> None:
    merged = merge({}, look, 1, NOON)
    by_type = {condition.type: condition for condition in merged}
    assert transitions(by_type, merged) == ()


@given(verdicts)
def test_ready_is_true_only_if_everything_is(look: list[Verdict]) -> None:
    ready = aggregate(look, "serves")
    assert (ready.status == TRUE) == all(verdict.status == TRUE for verdict in look)
    if any(verdict.status == FALSE for verdict in look):
        assert ready.status == FALSE


def test_a_new_message_alone_is_no_news() -> None:
    first = merge({}, [Verdict("Ready", FALSE, "NoCapacity", "3 free")], 1, NOON)
    by_type = {condition.type: condition for condition in first}
    second = merge(by_type, [Verdict("Ready", FALSE, "NoCapacity", "2 free")], 1, NOON)
    assert transitions(by_type, second) == ()


def test_garbage_among_the_conditions_is_dropped() -> None:
    assert read_conditions({"conditions": ["x", {"type": "Ready"}, {"status": "True"}]}) == {}


def test_a_message_that_the_api_server_would_refuse_is_cut() -> None:
    (condition,) = merge({}, [Verdict("Ready", FALSE, "A", "x" * 40_000)], 1, NOON)
    assert len(condition.message) == 32_768
    assert clip("short") == "short"


def test_a_time_without_a_zone_is_utc() -> None:
    assert parse_rfc3339("2026-03-01T12:00:00") == NOON
