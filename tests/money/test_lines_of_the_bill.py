"""Whatever a call was for, it is in exactly one line, and the lines are the bill."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise_core.attribution import IdlePolicy, Rates
from tierwise_core.bill import HOUR_MS, PriceChange, Span, bill
from tierwise_core.cost_report import (
    DIMENSIONS,
    EXTERNAL,
    JUDGES_GROUP,
    SHADOWS_GROUP,
    Calls,
    Labels,
    cost_report,
)

WHO = ("demo/sorter", "demo/judge", "demo/gpt")
TIERS = ("h100", "rtx-4090")
SPANS = [
    Span("h100", "demo/judge", 2, 0, 2 * HOUR_MS),
    Span("rtx-4090", "demo/sorter", 1, 0, HOUR_MS),
    Span("rtx-4090", "", 3, 0, 2 * HOUR_MS),
]
PRICES = [PriceChange("h100", 0, 3_000_000_000), PriceChange("rtx-4090", 0, 400_000_000)]
RATES = {("demo/judge", "h100"): Rates(10_000_000, 800_000, measured=True)}

labels = st.builds(
    Labels,
    st.sampled_from(WHO),
    st.sampled_from((*TIERS, EXTERNAL)),
    st.sampled_from(("", "demo/team-a", "demo/team-b")),
    st.sampled_from(("", "sorting")),
    st.sampled_from(("", "realtime", SHADOWS_GROUP)),
    st.booleans(),
)
calls = st.lists(
    st.builds(
        Calls,
        st.sampled_from((0, HOUR_MS)),
        labels,
        st.just(1),
        st.integers(0, 1),
        st.integers(0, 10**6),
        st.just(0),
        st.integers(0, 10**6),
        st.integers(0, HOUR_MS),
        st.integers(0, 10**12),
    ),
    max_size=20,
)


@given(calls, st.sampled_from(("holder", "fleet", "apart")))
@settings(deadline=None)
def test_each_call_is_in_one_line_and_all_lines_are_the_bill(
    made: list[Calls], policy: IdlePolicy
) -> None:
    whole = bill(SPANS, PRICES, 0, 2 * HOUR_MS)
    bought = sum(one.nano_usd for one in made if one.labels.tier == EXTERNAL)

    for by in DIMENSIONS:
        report = cost_report(whole, made, [], RATES, by=by, policy=policy)

        assert report.total.nano_usd == whole.nano_usd + bought
        found = {one.name: one.calls for one in report.groups if one.calls}
        assert found == Counter(one.labels.of(by) for one in made)
        if by == "specialist":
            unseen = [one for one in made if one.labels.workload == SHADOWS_GROUP]
            judges = [one for one in made if one.labels.judges and one not in unseen]
            assert (found.get(SHADOWS_GROUP, 0), found.get(JUDGES_GROUP, 0)) == (
                len(unseen),
                len(judges),
            )
