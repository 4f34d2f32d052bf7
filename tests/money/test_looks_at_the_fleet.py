"""Looks at the fleet become spans: no holes that are not told, no overlaps."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.bill import FREE
from tierwise_core.capacity import BRIDGED_MS, Held, Look, Unit, markets, since_last

UNIT = Unit("h100", "demo/large")
MINUTE_MS = 60_000


@given(
    st.lists(st.tuples(st.integers(1, 3 * BRIDGED_MS), st.integers(0, 4)), min_size=2, max_size=30)
)
def test_every_moment_is_in_one_span_or_in_a_gap(steps: list[tuple[int, int]]) -> None:
    at, looks = 0, []
    for passed, gpus in steps:
        at += passed
        looks.append(Look(at, {UNIT: Held(gpus)}))
    covered = 0
    for before, now in pairwise(looks):
        found = since_last(before, now)
        pieces = [(span.start_ms, span.end_ms) for span in found.spans]
        if found.gap is not None:
            pieces.append(found.gap)
        if before.held[UNIT].gpus or found.gap:
            assert pieces == [(before.at_ms, now.at_ms)]
        assert all(span.gpus == before.held[UNIT].gpus for span in found.spans)
        covered += now.at_ms - before.at_ms
    assert covered == looks[-1].at_ms - looks[0].at_ms


def test_the_same_look_twice_counts_once() -> None:
    look = Look(MINUTE_MS, {UNIT: Held(1)})
    again = since_last(look, look)
    assert not again.taken
    assert again.spans == ()


@given(
    st.dictionaries(st.sampled_from(("a/a", "b/b", FREE)), st.integers(0, 9)), st.integers(0, 30)
)
def test_a_commitment_is_paid_in_full_and_nobody_gets_more_than_they_have(
    holders: dict[str, int], reserved: int
) -> None:
    found = markets(holders, reserved)
    paid = sum(gpus for (_, market), gpus in found.items() if market == "reserved")
    assert paid == reserved
    for holder, gpus in holders.items():
        has = sum(count for (name, _), count in found.items() if name == holder)
        missing = max(0, reserved - sum(holders.values())) if holder == FREE else 0
        assert has == gpus + missing
