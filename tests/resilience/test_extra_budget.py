"""Retries and hedges are never more than their share of the requests, and a little beside."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.retry_budget import ExtraBudget

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("request"), st.just(0.0)),
        st.tuples(st.just("extra"), st.just(0.0)),
        st.tuples(st.just("wait"), st.floats(0, 5)),
    ),
    max_size=200,
)


@given(STEPS, st.floats(0, 1), st.floats(0, 3), st.integers(1, 20))
def test_extra_attempts_never_exceed_share_and_floor_and_burst(
    steps: list[tuple[str, float]], share: float, per_second: float, burst: int
) -> None:
    budget = ExtraBudget(saved=burst, now=0.0)
    now, requests, extra = 0.0, 0, 0

    for what, seconds in steps:
        now += seconds
        if what == "request":
            budget.deposit(share, burst)
            requests += 1
        elif what == "extra":
            extra += budget.withdraw(now, per_second, burst)

        assert extra <= share * requests + per_second * now + burst + 1e-6


@given(st.integers(1, 50))
def test_what_was_saved_may_be_spent_whole(burst: int) -> None:
    budget = ExtraBudget(saved=0.0, now=0.0)
    for _ in range(burst * 10):
        budget.deposit(0.1, burst)

    assert sum(budget.withdraw(0.0, 0.0, burst) for _ in range(burst + 5)) == burst


def test_a_budget_that_was_lowered_counts_at_once() -> None:
    budget = ExtraBudget(saved=10.0, now=0.0)

    assert [budget.withdraw(0.0, 0.0, 2.0) for _ in range(3)] == [True, True, False]
