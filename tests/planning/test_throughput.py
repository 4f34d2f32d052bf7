"""The estimate of tokens per second: what bounds it, and what it never does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.cost import usd_per_1k_tokens
from tierwise_core.throughput import DecodeLoad, tokens_per_second

SMALL = DecodeLoad(14_500_000_000, 131_072, sequences=8, gpus=1, gb_per_second=1008)
loads = st.builds(
    DecodeLoad,
    weights_bytes=st.integers(10**6, 10**12),
    kv_bytes_per_token=st.integers(0, 10**6),
    sequences=st.integers(1, 1000),
    gpus=st.sampled_from([1, 2, 4, 8]),
    gb_per_second=st.floats(100, 8000),
)


def test_one_sequence_is_slower_than_reading_the_weights_once_a_token() -> None:
    alone = replace(SMALL, sequences=1)
    assert tokens_per_second(alone) < 1008e9 / 14.5e9


def test_the_designs_price_of_a_small_model_comes_out_at_its_speed() -> None:
    speed = tokens_per_second(replace(SMALL, sequences=24))
    assert usd_per_1k_tokens(1, 0.40, speed) == pytest.approx(0.000139, rel=0.01)


@given(loads)
def test_more_sequences_are_never_slower_and_never_more_than_in_proportion(
    load: DecodeLoad,
) -> None:
    once, twice = (
        tokens_per_second(each) for each in (load, replace(load, sequences=load.sequences * 2))
    )
    assert once * (1 - 1e-9) <= twice <= once * 2 * (1 + 1e-9)


@given(loads)
def test_more_gpus_and_more_bandwidth_are_faster(load: DecodeLoad) -> None:
    assert tokens_per_second(replace(load, gpus=load.gpus * 2)) > tokens_per_second(load)
    faster = replace(load, gb_per_second=load.gb_per_second * 2)
    assert tokens_per_second(faster) > tokens_per_second(load)


@given(loads)
def test_no_step_takes_less_than_its_overhead(load: DecodeLoad) -> None:
    assert tokens_per_second(load) <= min(load.sequences, 128) / 0.003


@pytest.mark.parametrize("nothing", [{"gpus": 0}, {"gb_per_second": 0.0}])
def test_nothing_to_read_with_is_refused(nothing: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="read nothing"):
        tokens_per_second(replace(SMALL, **nothing))  # type: ignore[arg-type]


def test_nothing_to_read_is_refused() -> None:
    with pytest.raises(ValueError, match="give the weights"):
        tokens_per_second(replace(SMALL, weights_bytes=0, kv_bytes_per_token=0))
