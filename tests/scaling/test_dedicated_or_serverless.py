"""Own replicas or an external alternative: the formulas, the day that is learnt, the advice."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observed import a_specialist, an_external
from scaling_scene import Scene
from stage import Stage, specialist_body

from tierwise_core.dedicated import Replica, dedicated_status
from tierwise_core.economics import (
    Offer,
    cheapest_split,
    cost_per_accepted_usd,
    payback_months,
    required_utilization,
)
from tierwise_core.load import Traffic
from tierwise_core.load_profile import MEMORY_SECONDS, LoadProfile, from_status, to_status
from tierwise_core.route_table import Price
from tierwise_core.scaling_policy import ScalingPolicy
from tierwise_core.specialist import ExternalSpec, Specialist

PRICE = Price(input_usd_per_token=0.5e-6, output_usd_per_token=1.5e-6)
REPLICA = Replica(0.40, "rtx-4090")


def day(*rates: float, **changes: Any) -> LoadProfile:
    """A day of which every hour was seen: the rates, repeated until it is full."""
    hours = (rates * 24)[:24]
    known: dict[str, Any] = {"seconds": (3600.0,) * 24, "peak_per_replica": 100.0}
    return LoadProfile(tokens_per_second=hours, **{**known, **changes})


def api(price: Price | None = PRICE) -> Specialist:
    return replace(an_external("api"), external=ExternalSpec("https://a.example/v1", "m", price))


def sorter(policy: ScalingPolicy | None = None) -> Specialist:
    known = a_specialist()
    scaling = policy or known.placement.scaling
    return replace(known, placement=replace(known.placement, alternative="api", scaling=scaling))


def told(profile: LoadProfile, **others: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"specialist": sorter(), "alternative": api(), "replica": REPLICA}
    return dedicated_status(profile=profile, **{**known, **others})


def test_the_design_s_worked_examples() -> None:
    gate = required_utilization(3.20, 800, 0.012, ops_usd_per_hour=0.50)
    assert gate == pytest.approx(0.385, abs=5e-4)
    assert payback_months(11_000, 0.006, 0.001, 1_000_000) == pytest.approx(2.2)
    assert payback_months(11_000, 0.001, 0.006, 1_000_000) == math.inf
    assert cost_per_accepted_usd(3.70, 800) == pytest.approx(0.004625)
    assert cost_per_accepted_usd(3.70, 0) == math.inf


def test_a_price_of_nothing_is_never_beaten() -> None:
    assert required_utilization(3.20, 800, 0.0) == math.inf


OFFERS = st.builds(
    Offer,
    outputs_per_second=st.floats(1.0, 1000.0),
    replica_usd_per_hour=st.floats(0.05, 10.0),
    serverless_usd_per_output=st.floats(1e-8, 1e-4),
    elastic=st.booleans(),
)
DAYS = st.lists(st.floats(0.0, 5000.0), min_size=24, max_size=24)


@given(DAYS, OFFERS)
def test_the_cheapest_way_is_the_cheapest_and_its_base_the_best(
    profile: list[float], offer: Offer
) -> None:
    split = cheapest_split(profile, offer)

    costs = {
        "Dedicated": split.dedicated_usd_per_hour,
        "Serverless": split.serverless_usd_per_hour,
        "Hybrid": split.hybrid_usd_per_hour,
    }
    assert costs[split.cheapest] == pytest.approx(min(costs.values()))
    for base in range(1, 12):
        above = sum(max(0.0, load - base * offer.outputs_per_second) for load in profile) / 24
        usd = base * offer.replica_usd_per_hour + above * 3600 * offer.serverless_usd_per_output
        most = max(1, math.ceil(max(profile) / offer.outputs_per_second) - 1)
        if base <= most:
            assert split.hybrid_usd_per_hour <= usd + 1e-9


@given(DAYS.filter(lambda loads: max(loads) > 1), OFFERS)
def test_dedicated_is_cheaper_exactly_above_the_break_even(
    profile: list[float], offer: Offer
) -> None:
    split = cheapest_split(profile, offer)
    replicas = split.dedicated_usd_per_hour / offer.replica_usd_per_hour
    used = sum(profile) / 24 / (replicas * offer.outputs_per_second)
    gate = required_utilization(
        offer.replica_usd_per_hour,
        offer.outputs_per_second * 3600,
        offer.serverless_usd_per_output,
    )

    if abs(used - gate) > 1e-6 * gate:
        assert (used > gate) == (split.dedicated_usd_per_hour < split.serverless_usd_per_hour)


def test_replicas_that_follow_the_load_cost_less_than_those_of_the_peak() -> None:
    fixed = cheapest_split([250.0, 70.0] * 12, Offer(100.0, 0.40, 1e-3))
    elastic = cheapest_split([250.0, 70.0] * 12, Offer(100.0, 0.40, 1e-3, elastic=True))

    assert fixed.dedicated_usd_per_hour == pytest.approx(3 * 0.40)
    assert elastic.dedicated_usd_per_hour == pytest.approx((3 + 1) / 2 * 0.40)


def test_a_day_decays_over_a_week_of_days() -> None:
    hour = Traffic(3600.0, 36_000.0, 0.0, 0.0)
    profile = LoadProfile()
    for _ in range(3):
        profile = profile.plus(hour, 9, 1)
    assert profile.tokens_per_second[9] == pytest.approx(10.0)

    quiet = Traffic(3600.0, 0.0, 0.0, 0.0)
    for _ in range(14):
        profile = profile.plus(quiet, 9, 1)
    assert 0.0 < profile.tokens_per_second[9] < 2.5
    assert profile.seconds[9] == MEMORY_SECONDS


@given(
    st.lists(
        st.builds(Traffic, st.floats(1, 60), st.floats(0, 1e5), st.floats(0, 1e5), st.just(1.0)),
        max_size=40,
    )
)
def test_a_profile_survives_its_status(served: list[Traffic]) -> None:
    profile = LoadProfile()
    for n, traffic in enumerate(served):
        profile = profile.plus(traffic, n % 24, 1)

    again = from_status(to_status(profile))

    assert again.tokens_per_second == pytest.approx(profile.tokens_per_second, abs=1e-3)
    assert again.seconds == pytest.approx(profile.seconds, abs=1)
    assert to_status(from_status(to_status(again))) == to_status(again)


@pytest.mark.parametrize("broken", [{}, {"hourlyProfile": [1] * 24}, {"hourlyProfile": "x"}])
def test_a_status_of_another_shape_is_a_day_not_yet_seen(broken: dict[str, Any]) -> None:
    assert from_status(broken) == LoadProfile()


def test_the_advice_names_the_cheapest_and_what_the_others_cost() -> None:
    status = told(day(250.0, 70.0, 70.0), specialist=sorter(ScalingPolicy(1, 1, 6.4)))

    assert status["cheapest"] == "Hybrid"
    assert status["dedicatedReplicas"] == 1
    assert status["usdPerHour"] == {"dedicated": 1.2, "serverless": 0.702, "hybrid": 0.67}
    assert status["breakEvenUtilization"] == round(0.40 / (100 * 3600 * 1.5e-6), 4)
    assert status["observedUtilization"] == round(130 / 300, 4)
    assert status["message"].startswith("cheapest: 1 on rtx-4090 and the rest at api, 0.67 USD/h;")
    assert "24 of 24 hours of the day" in status["message"]


def test_the_prompts_are_part_of_what_is_charged_elsewhere() -> None:
    cheap, dear = told(day(50.0)), told(day(50.0, prompt_per_generated=6.0))

    assert cheap["usdPerHour"]["serverless"] == pytest.approx(50 * 3600 * 1.5e-6, abs=1e-4)
    assert dear["usdPerHour"]["serverless"] == pytest.approx(50 * 3600 * 4.5e-6, abs=1e-4)
    assert (cheap["cheapest"], dear["cheapest"]) == ("Serverless", "Dedicated")


def test_hours_not_yet_seen_count_as_the_mean_of_the_others() -> None:
    part = LoadProfile((40.0, 60.0) + (0.0,) * 22, (3600.0, 3600.0) + (0.0,) * 22, 0.0, 0.0, 100.0)

    status = told(part)

    assert status["usdPerHour"]["serverless"] == pytest.approx(50 * 3600 * 1.5e-6, abs=1e-4)
    assert "from 2 of 24 hours of the day" in status["message"]


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"alternative": None}, "specialistRef is 'api': no such Specialist; create it"),
        ({"alternative": a_specialist("api")}, "runs here itself; name one with spec.external"),
        ({"alternative": api(None)}, "has no price; write spec.external.price there"),
        ({"alternative": api(Price())}, "the alternative costs nothing"),
        ({"replica": None}, "no tier yet"),
        ({"replica": Replica(0.0, "own")}, "tier own costs nothing"),
    ],
)
def test_what_cannot_be_compared_says_why(others: dict[str, Any], message: str) -> None:
    status = told(day(50.0), **others)

    assert message in status["message"]
    assert "cheapest" not in status
    assert status["hourlyProfile"] == [50.0] * 24  # what was learnt is kept


def test_nothing_is_advised_before_any_load() -> None:
    assert told(LoadProfile())["message"] == "no load was observed yet"
    assert told(day(50.0, peak_per_replica=0.0))["message"] == "no replica was ever seen at work"


async def test_the_operator_learns_publishes_and_remembers_a_day(stage: Stage) -> None:
    scene = Scene(stage)
    price = {"inputPerMillionTokens": 0.5, "outputPerMillionTokens": 1.5}
    external = {"baseURL": "https://a.example/v1", "model": "m", "price": price}
    body = specialist_body("api")
    body["spec"] = {"field": "sorting", "external": external}
    stage.cluster.put(body)
    await scene.begin(1, None, alternative={"specialistRef": "api"})
    await scene.run_pods()
    assert scene.status["dedicated"]["message"] == "no load was observed yet"

    for _ in range(23):
        scene.generated += 30 * 80.0
        stage.now[0] += timedelta(seconds=28)
        await scene.pass_time(2)
    dedicated = scene.status["dedicated"]
    assert dedicated["hourlyProfile"][12] == pytest.approx(80.0, rel=0.1)
    assert dedicated["cheapest"] in {"Dedicated", "Serverless", "Hybrid"}

    stage.restart()
    scene.watch()
    assert await stage.start() == []
    assert scene.status["dedicated"] == dedicated
