"""What a tier's own loads change about the next estimate."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.correction import (
    LEAST_OVERHEAD_BYTES,
    LEAST_WEIGHTS_FACTOR,
    MOST_OVERHEAD_BYTES,
    MOST_WEIGHTS_FACTOR,
    NO_CORRECTION,
    LoadSample,
    corrected,
    learn,
)
from tierwise_core.model_metadata import Demand, MemoryBreakdown, SizeOverrides
from tierwise_core.sizing import memory_per_gpu

GIB = 2**30
PREDICTED = MemoryBreakdown(16 * GIB, 8 * GIB, GIB, GIB)

breakdowns = st.builds(MemoryBreakdown, *(st.integers(0, 100 * GIB) for _ in range(4)))
samples = st.builds(
    LoadSample,
    breakdowns,
    st.integers(0, 200 * GIB),
    st.none() | st.integers(0, 200 * GIB),
)


def test_no_load_teaches_nothing() -> None:
    assert learn([]) == NO_CORRECTION
    assert corrected(PREDICTED, NO_CORRECTION) == PREDICTED


def test_after_many_loads_the_estimate_is_what_they_took() -> None:
    took = 19 * GIB
    learned = learn([LoadSample(PREDICTED, took)] * 200)
    need = corrected(PREDICTED, learned)
    assert abs(need.total_bytes_per_gpu - need.kv_cache_bytes - took) < GIB / 100


def test_a_single_load_counts_half() -> None:
    learned = learn([LoadSample(PREDICTED, 19 * GIB)])
    assert learned.overhead_bytes == GIB // 2


def test_measured_weights_are_told_from_the_rest() -> None:
    """16 GiB were predicted and 17.6 taken: a tenth more; the rest was as predicted."""
    sample = LoadSample(PREDICTED, int(19.6 * GIB), int(17.6 * GIB))
    learned = learn([sample] * 99)
    assert 1.098 < learned.weights_factor < 1.1
    assert abs(learned.overhead_bytes) < GIB / 50


def test_what_the_user_gave_is_not_corrected() -> None:
    learned = learn([LoadSample(PREDICTED, 25 * GIB, 20 * GIB)] * 9)
    given_by_hand = SizeOverrides(
        weights_bytes=10 * GIB, kv_bytes_per_token=1024, activation_bytes=0, overhead_bytes=GIB
    )
    demand = Demand(1024)
    assert memory_per_gpu(None, given_by_hand, demand, 1, learned) == memory_per_gpu(
        None, given_by_hand, demand, 1
    )


@given(st.lists(samples, max_size=12), breakdowns)
def test_a_correction_is_bounded_whatever_was_measured(
    seen: list[LoadSample], need: MemoryBreakdown
) -> None:
    learned = learn(seen)
    assert LEAST_WEIGHTS_FACTOR <= learned.weights_factor <= MOST_WEIGHTS_FACTOR
    assert LEAST_OVERHEAD_BYTES <= learned.overhead_bytes <= MOST_OVERHEAD_BYTES
    after = corrected(need, learned)
    assert after.overhead_bytes >= 0
    assert after.kv_cache_bytes == need.kv_cache_bytes


@given(st.lists(samples, min_size=5, max_size=12), samples)
def test_one_wild_load_among_many_moves_the_middle_at_most_to_a_neighbour(
    seen: list[LoadSample], wild: LoadSample
) -> None:
    """With measurements that agree, another one that does not is outvoted."""
    agreed = [LoadSample(PREDICTED, 19 * GIB)] * len(seen)
    assert learn([*agreed, LoadSample(PREDICTED, wild.measured_bytes + 1)]).overhead_bytes > 0
