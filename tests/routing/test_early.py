"""What may be said of an answer of which only the beginning is known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.confidence import answer_confidence
from tierwise_core.early import Early, early_verdict, outlook, prefix_confidence
from tierwise_core.policy_streaming import StreamingPolicy

POLICY = StreamingPolicy()
LIKELY = st.one_of(st.floats(1e-9, 1.0), st.floats(0.9, 1.0))
PROBABILITIES = st.lists(LIKELY, min_size=1, max_size=60)
PREDICTED = st.floats(0.01, 0.99)
FLOOR = st.floats(0.05, 0.97)


@given(PROBABILITIES, PREDICTED)
def test_token_by_token_says_what_the_whole_answer_says(
    seen: list[float], predicted: float
) -> None:
    whole = answer_confidence([math.log(one) for one in seen], predicted)

    assert prefix_confidence(predicted, min(seen), len(seen)) == pytest.approx(whole, abs=1e-9)


@given(PROBABILITIES, st.lists(LIKELY, max_size=60), PREDICTED)
def test_no_future_leaves_the_bounds(
    seen: list[float], later: list[float], predicted: float
) -> None:
    longest = len(seen) + len(later)
    bounds = outlook(predicted, min(seen), len(seen), longest)
    whole = [*seen, *later]
    end = prefix_confidence(predicted, min(whole), len(whole))

    assert bounds.worst - 1e-9 <= end <= bounds.best + 1e-9
    assert bounds.worst - 1e-9 <= bounds.now <= bounds.best + 1e-9


@given(PROBABILITIES, st.lists(LIKELY, max_size=60), PREDICTED, FLOOR)
def test_a_rejected_stream_would_never_have_reached_the_floor(
    seen: list[float], later: list[float], predicted: float, floor: float
) -> None:
    whole = [*seen, *later]
    bounds = outlook(predicted, min(seen), len(seen), len(whole))
    action, _ = early_verdict(bounds, floor, len(seen), POLICY)

    if action is Early.REJECT:
        assert prefix_confidence(predicted, min(whole), len(whole)) < floor + 1e-9


@given(PROBABILITIES, st.lists(LIKELY, max_size=60), PREDICTED, FLOOR)
def test_what_can_only_end_well_is_accepted_for_good(
    seen: list[float], later: list[float], predicted: float, floor: float
) -> None:
    whole = [*seen, *later]
    bounds = outlook(predicted, min(seen), len(seen))
    # Never sure enough by the third rule, so that only the second one accepts.
    strict = StreamingPolicy(early_tokens=10_000)
    action, reason = early_verdict(bounds, floor, len(seen), strict)

    if action is Early.ACCEPT:
        assert reason.startswith("at least")
        assert prefix_confidence(predicted, min(whole), len(whole)) >= floor - 1e-9


@given(PREDICTED, FLOOR, LIKELY)
def test_every_doubt_ends(predicted: float, floor: float, lowest: float) -> None:
    """However doubtful the tokens, something is decided once one token weighs next to nothing."""
    tokens = 16 * 400
    action, _ = early_verdict(outlook(predicted, lowest, tokens), floor, tokens, POLICY)

    assert action is not Early.WAIT or abs(predicted - floor) < 0.01


def test_nothing_is_decided_before_the_first_token() -> None:
    action, _ = early_verdict(outlook(0.91, 1.0, 0), 0.85, 0, POLICY)

    assert action is Early.WAIT


def test_nobody_is_asked_in_vain_whom_no_token_can_lift_over_the_floor() -> None:
    action, reason = early_verdict(outlook(0.10, 1.0, 0), 0.85, 0, POLICY)

    assert (action, reason) == (Early.REJECT, "at most 0.45 < floor 0.85")


@pytest.mark.parametrize(("tokens", "begins"), [(7, False), (8, True)])
def test_the_policy_says_how_many_tokens_it_takes(tokens: int, *, begins: bool) -> None:
    action, _ = early_verdict(outlook(0.91, 0.9996, tokens), 0.85, tokens, POLICY)

    assert (action is Early.ACCEPT) is begins


@pytest.mark.parametrize(("share", "begins"), [(0.25, True), (0.05, False)])
def test_the_policy_says_how_much_doubt_may_be_left(share: float, *, begins: bool) -> None:
    policy = StreamingPolicy(doubt_share=share)

    action, _ = early_verdict(outlook(0.91, 0.9996, 9), 0.85, 9, policy)

    assert (action is Early.ACCEPT) is begins
