"""What a call costs, and how prices of two kinds are compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.cost import (
    Usage,
    break_even_fan_out,
    call_cost,
    call_cost_usd,
    usd_per_1k_tokens,
)
from tierwise_core.route_table import Price

PROVIDER = Price(0.0, 2.5e-6, 10e-6, 1.25e-6)


def test_a_replica_of_our_own_is_charged_for_its_time_as_an_estimate() -> None:
    cost = call_cost(Price(usd_per_replica_hour=3.60), 2.0, Usage(100, 100))

    assert (cost.usd, cost.estimated) == (0.002, True)


def test_a_provider_is_charged_for_its_tokens_exactly() -> None:
    cost = call_cost(PROVIDER, 60.0, Usage(input_tokens=1000, output_tokens=100))

    assert cost.usd == pytest.approx(0.0035)
    assert not cost.estimated


def test_cached_tokens_are_part_of_the_input() -> None:
    cached = call_cost_usd(PROVIDER, 1.0, Usage(1000, 0, cached_input_tokens=1000))

    assert cached == pytest.approx(0.00125)


@pytest.mark.parametrize("cached", [-5, 5000])
def test_a_provider_that_miscounts_its_cache_is_never_paid_more_than_the_input(cached: int) -> None:
    cost = call_cost_usd(PROVIDER, 1.0, Usage(1000, 0, cached_input_tokens=cached))

    assert 0.00125 <= cost <= 0.0025


def test_without_usage_a_providers_price_is_unknown_and_says_so() -> None:
    cost = call_cost(PROVIDER, 1.0)

    assert (cost.usd, cost.estimated) == (0.0, True)


def test_a_clock_that_went_backwards_costs_nothing() -> None:
    assert call_cost_usd(Price(usd_per_replica_hour=3.0), -1.0) == 0.0


@pytest.mark.parametrize("speed", [0, -1])
def test_a_throughput_of_nothing_has_no_price(speed: float) -> None:
    with pytest.raises(ValueError, match="tokens_per_second is"):
        usd_per_1k_tokens(1, 0.4, speed)


def test_a_fan_out_over_free_specialists_has_no_bound() -> None:
    with pytest.raises(ValueError, match="small_usd is 0"):
        break_even_fan_out(1.0, 0.0)


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_a_fan_out_at_the_bound_is_cheaper_and_one_more_is_not(large: float, small: float) -> None:
    fan_out = break_even_fan_out(large, small)

    assert fan_out * small < large or fan_out == 0
    assert (fan_out + 1) * small >= large * (1 - 1e-8)
