"""The bill, and that whatever is shared out of it adds up to it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise_core.attribution import Cell, IdlePolicy, Rates, Used, attribute
from tierwise_core.bill import FREE, HOUR_MS, OTHERS, PriceChange, Span, bill
from tierwise_core.money import cents, divide, nano_usd

DAY_MS = 24 * HOUR_MS
NOON_MS = DAY_MS // 2
TIERS = ("rtx-4090", "h100")
HOLDERS = ("demo/sorter", "demo/large", FREE, OTHERS)
MARKETS = ("on-demand", "spot", "reserved")

moments = st.integers(0, 4 * HOUR_MS)
spans = st.lists(
    st.builds(
        lambda tier, holder, gpus, start, length, market, joules: Span(
            tier, holder, gpus, start, start + length, market, measured=True, joules=joules
        ),
        st.sampled_from(TIERS),
        st.sampled_from(HOLDERS),
        st.integers(0, 16),
        moments,
        moments,
        st.sampled_from(MARKETS),
        st.none() | st.integers(0, 10**9),
    ),
    max_size=8,
)
prices = st.lists(
    st.builds(
        PriceChange,
        st.sampled_from(TIERS),
        moments,
        st.integers(0, 10**11),
        st.sampled_from(MARKETS),
        st.none() | st.integers(0, 10**9),
        st.integers(0, 10**10),
        st.integers(0, 1000),
    ),
    max_size=8,
)
used = st.dictionaries(
    st.builds(Cell, st.integers(0, 8).map(lambda at: at * HOUR_MS), st.sampled_from(HOLDERS[:2]),
              st.sampled_from(TIERS)),
    st.lists(
        st.builds(
            lambda calls, fresh, output, unknown, ms: (calls + unknown, fresh, output, unknown, ms),
            st.integers(0, 50), st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 5),
            st.integers(0, 10**7),
        ),
        max_size=5,
    ).map(lambda found: [Used(f"r-{at}", *one) for at, one in enumerate(found)]),
    max_size=12,
)  # fmt: skip
rates = st.dictionaries(
    st.tuples(st.sampled_from(HOLDERS[:2]), st.sampled_from(TIERS)),
    st.builds(Rates, st.integers(0, 10**8), st.integers(0, 10**7), st.integers(1, 8)),
)


@given(spans, prices, used, rates, st.sampled_from(("holder", "fleet", "apart")))
@settings(deadline=None)
def test_requests_idle_time_and_others_sum_to_the_fleets_bill(
    spans: list[Span],
    prices: list[PriceChange],
    used: dict[Cell, list[Used[str]]],
    rates: dict[tuple[str, str], Rates],
    policy: IdlePolicy,
) -> None:
    whole = bill(spans, prices, 0, 8 * HOUR_MS)
    found = attribute(whole, used, rates, policy)
    assert found.nano_usd == whole.nano_usd
    assert cents(found.nano_usd) == cents(whole.nano_usd)
    parts = [part for share in found.shares.values() for part in (share.busy, share.idle)]
    parts += [*found.idle.values(), *found.others.values()]
    assert all(part.nano_usd >= 0 and part.gpu_ns >= 0 for part in parts)
    assert sum(part.gpu_ns for part in parts) == sum(line.gpu_ms for line in whole.lines) * 10**6
    assert sum(part.joules for part in parts) == sum(line.joules for line in whole.lines)


@given(spans, prices, moments)
@settings(deadline=None)
def test_a_bill_cut_in_two_at_an_hour_is_the_same_bill(
    spans: list[Span], prices: list[PriceChange], moment: int
) -> None:
    hour = moment - moment % HOUR_MS
    whole = bill(spans, prices, 0, 8 * HOUR_MS)
    first, second = bill(spans, prices, 0, hour), bill(spans, prices, hour, 8 * HOUR_MS)
    assert (*first.lines, *second.lines) == whole.lines


@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**12), min_size=1, max_size=9))
def test_shares_add_up_and_are_fair_to_one_unit(whole: int, weights: list[int]) -> None:
    shares = divide(whole, weights)
    assert sum(shares) == whole
    if total := sum(weights):
        for share, weight in zip(shares, weights, strict=True):
            assert abs(share * total - whole * weight) < total


def test_a_price_that_changes_mid_day_counts_from_that_moment() -> None:
    held = [Span("h100", "demo/large", 2, 0, DAY_MS), Span("h100", FREE, 1, 0, DAY_MS)]
    raised_at = NOON_MS + 20 * 60_000
    history = [
        PriceChange("h100", 0, nano_usd("2.00")),
        PriceChange("h100", raised_at, nano_usd("3.00")),
    ]
    # 3 GPUs: 12 h 20 min at $2, 11 h 40 min at $3.
    by_hand = 3 * (Decimal(12) + Decimal(20) / 60) * 2 + 3 * (Decimal(11) + Decimal(40) / 60) * 3
    whole = bill(held, history, 0, DAY_MS)
    assert cents(whole.nano_usd) == by_hand.quantize(Decimal("0.01")) == Decimal("179.00")
    noon = [line for line in whole.lines if line.hour_ms == NOON_MS and line.holder]
    # 2 GPUs: 20 minutes at $2 and 40 at $3.
    assert [cents(line.nano_usd) for line in noon] == [Decimal("5.33")]


def test_spot_reserved_and_on_demand_have_prices_of_their_own() -> None:
    held = [
        Span("h100", "demo/large", 1, 0, HOUR_MS, "spot"),
        Span("h100", "demo/large", 1, 0, HOUR_MS, "reserved"),
        Span("h100", "demo/large", 1, 0, HOUR_MS),
        Span("l4", "demo/small", 1, 0, HOUR_MS, "spot"),
    ]
    history = [
        PriceChange("h100", 0, nano_usd("3.00")),
        PriceChange("h100", 0, nano_usd("1.20"), "spot"),
        PriceChange("h100", 0, nano_usd("2.00"), "reserved"),
        # The l4 has no price for spot: it counts as on demand.
        PriceChange("l4", 0, nano_usd("0.44")),
    ]
    assert cents(bill(held, history, 0, HOUR_MS).nano_usd) == Decimal("6.64")


def test_energy_is_measured_where_a_meter_tells_and_else_its_rated_power() -> None:
    price = PriceChange(
        "rtx-4090", 0, nano_usd("0.40"), "on-demand", nano_usd("0.25"), nano_usd("0.05"), 450
    )
    rated = bill([Span("rtx-4090", "a/b", 2, 0, HOUR_MS)], [price], 0, HOUR_MS).lines[0]
    # 2 GPUs of 450 W for an hour are 0.9 kWh.
    assert (rated.joules, rated.energy_measured) == (3_240_000, False)
    assert rated.nano_usd == nano_usd("0.80") + nano_usd("0.225") + nano_usd("0.10")
    metered = bill(
        [Span("rtx-4090", "a/b", 2, 0, 2 * HOUR_MS, joules=2_000_001)], [price], 0, 2 * HOUR_MS
    )
    assert [line.joules for line in metered.lines] == [1_000_000, 1_000_001]
    assert all(line.energy_measured for line in metered.lines)


def test_gpus_without_any_price_cost_nothing_and_are_told() -> None:
    whole = bill([Span("h100", "a/b", 1, 0, HOUR_MS)], [PriceChange("h100", HOUR_MS // 2, 2)], 0,
                 HOUR_MS)  # fmt: skip
    assert whole.lines[0].unpriced_ms == HOUR_MS // 2


@pytest.mark.parametrize(
    ("policy", "busy", "idle", "left"),
    [
        ("holder", [30, 60], [10, 20], {(FREE, "h100"): 120}),
        ("fleet", [30, 60], [50, 100], {}),
        ("apart", [30, 60], [0, 0], {(FREE, "h100"): 120, ("demo/large", "h100"): 30}),
    ],
)
def test_idle_time_is_shared_by_the_policy(
    policy: IdlePolicy, busy: list[int], idle: list[int], left: dict[tuple[str, str], int]
) -> None:
    held = [Span("h100", "demo/large", 1, 0, HOUR_MS), Span("h100", FREE, 1, 0, HOUR_MS)]
    whole = bill(held, [PriceChange("h100", 0, 120)], 0, HOUR_MS)
    cell = Cell(0, "demo/large", "h100")
    calls = [Used("a", output_tokens=900), Used("b", output_tokens=1800)]
    found = attribute(whole, {cell: calls}, {("demo/large", "h100"): Rates(1000, 1000)}, policy)
    assert [share.busy.nano_usd for share in found.shares.values()] == busy
    assert [share.idle.nano_usd for share in found.shares.values()] == idle
    assert {place: part.nano_usd for place, part in found.idle.items()} == left


def test_more_work_than_an_hour_has_leaves_no_idle_time_and_costs_no_more_than_the_hour() -> None:
    whole = bill([Span("h100", "a/b", 1, 0, HOUR_MS)], [PriceChange("h100", 0, 90)], 0, HOUR_MS)
    calls = [Used("a", output_tokens=10_000), Used("b", output_tokens=20_000)]
    found = attribute(whole, {Cell(0, "a/b", "h100"): calls}, {("a/b", "h100"): Rates(1000, 1000)})
    assert [share.nano_usd for share in found.shares.values()] == [30, 60]
    assert found.idle == {}


def test_calls_whose_tokens_nobody_counted_are_taken_for_usual_ones_and_marked() -> None:
    whole = bill([Span("h100", "a/b", 1, 0, HOUR_MS)], [PriceChange("h100", 0, 100)], 0, HOUR_MS)
    calls = [
        Used("counted", 3, 0, 300),
        Used("uncounted", 1, 0, 0, uncounted_calls=1, milliseconds=5),
    ]
    measured = {("a/b", "h100"): Rates(1000, 1000, measured=True)}
    found = attribute(whole, {Cell(0, "a/b", "h100"): calls}, measured)
    assert [share.nano_usd for share in found.shares.values()] == [75, 25]
    assert [share.estimated for share in found.shares.values()] == [False, True]
