"""``placement.burst: Switch``: the base that is chosen, how calmly, and what the operator does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observed import a_specialist
from pydantic import ValidationError
from scaling_scene import Scene
from stage import Stage, specialist_body

from tierwise_api import Specialist as SpecialistResource
from tierwise_core.burst import (
    LEAST_SAVING,
    LEAST_SECONDS,
    Burst,
    Prices,
    burst_status,
    capped,
    choose,
    cost_usd_per_hour,
    published,
)
from tierwise_core.elsewhere import Elsewhere
from tierwise_core.load import Traffic
from tierwise_core.load_profile import LoadProfile
from tierwise_core.scaling_policy import ScalingPolicy
from tierwise_core.specialist import Specialist

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHEAP = Prices(100.0, 0.40, 2e-6, "rtx-4090", "api")
POLICY = ScalingPolicy(1, 4, 6.4)


def day(*rates: float) -> LoadProfile:
    return LoadProfile((rates * 24)[:24], (3600.0,) * 24)


DAYS = st.lists(st.floats(0.0, 900.0), min_size=24, max_size=24).map(lambda loads: day(*loads))
PRICES = st.builds(Prices, st.floats(1.0, 500.0), st.floats(0.05, 10.0), st.floats(0.0, 1e-4))
POLICIES = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(
    lambda pair: ScalingPolicy(min(pair), max(pair), 6.4)
)


@given(DAYS, PRICES, POLICIES)
def test_the_base_is_the_cheapest_that_is_allowed(
    profile: LoadProfile, prices: Prices, policy: ScalingPolicy
) -> None:
    chosen = choose(None, profile, prices, policy, NOON)

    least = policy.min_replicas
    assert least <= chosen.base_replicas <= policy.max_replicas
    usd = cost_usd_per_hour(profile.filled, prices, least, chosen.base_replicas)
    for base in range(least, policy.max_replicas + 1):
        assert usd <= cost_usd_per_hour(profile.filled, prices, least, base) + 1e-8


@given(DAYS, PRICES, POLICIES)
def test_what_was_chosen_is_kept_while_nothing_changes(
    profile: LoadProfile, prices: Prices, policy: ScalingPolicy
) -> None:
    first = choose(None, profile, prices, policy, NOON)
    status = {"burst": burst_status(first, policy, "api")}

    for hours in (0, 1, 30):
        again = choose(published(status), profile, prices, policy, NOON + timedelta(hours=hours))
        assert burst_status(again, policy, "api") == status["burst"]


@given(st.lists(DAYS, min_size=2, max_size=30), PRICES, POLICIES)
def test_it_changes_once_an_hour_at_most_and_for_a_tenth_or_more(
    days: list[LoadProfile], prices: Prices, policy: ScalingPolicy
) -> None:
    burst, changed_at = choose(None, days[0], prices, policy, NOON), NOON
    for n, profile in enumerate(days[1:], 1):
        now = NOON + timedelta(minutes=10 * n)
        after = choose(burst, profile, prices, policy, now)
        if after.base_replicas != burst.base_replicas:
            least = policy.min_replicas
            was, new = (
                cost_usd_per_hour(profile.filled, prices, least, one.base_replicas)
                for one in (burst, after)
            )
            assert was - new >= LEAST_SAVING * was - 1e-9
            assert (now - changed_at).total_seconds() >= LEAST_SECONDS
            changed_at = now
        burst = after


def test_bounds_that_the_user_changes_count_at_once() -> None:
    kept = Burst(4, NOON)

    lower = choose(kept, day(50.0), CHEAP, ScalingPolicy(1, 2, 6.4), NOON + timedelta(minutes=1))

    assert lower.base_replicas == 2


def test_before_an_hour_was_seen_all_stays_on_own_replicas() -> None:
    minutes = LoadProfile((500.0,) * 24, (100.0,) + (0.0,) * 23)

    assert choose(None, minutes, CHEAP, POLICY, NOON).base_replicas == 4
    assert choose(None, day(500.0), None, POLICY, NOON).base_replicas == 4


def test_the_status_says_which_way_it_is() -> None:
    policy = ScalingPolicy(0, 3, 6.4)
    ways = [burst_status(Burst(base, NOON, "why"), policy, "api")["way"] for base in (3, 1, 0)]

    assert ways == ["Dedicated", "Hybrid", "Serverless"]
    assert burst_status(Burst(1, NOON, "why"), policy, "api") == {
        "alternative": "api",
        "baseReplicas": 1,
        "way": "Hybrid",
        "message": "why",
        "since": "2026-03-01T12:00:00Z",
    }


def switching(base: int | None, policy: ScalingPolicy) -> Specialist:
    known = a_specialist()
    placement = replace(known.placement, alternative="api", bursts=True, scaling=policy)
    status = {} if base is None else {"burst": {"baseReplicas": base}}
    return replace(known, placement=placement, status=status)


@pytest.mark.parametrize(
    ("base", "policy", "most"),
    [
        (2, ScalingPolicy(1, 4, 6.4), 2),
        (None, ScalingPolicy(1, 4, 6.4), 4),
        (9, ScalingPolicy(1, 4, 6.4), 4),
        (0, ScalingPolicy(0, 4, 6.4), 1),  # one may be woken when the alternative fails
        (1, ScalingPolicy(2, 2, 6.4), 2),  # somebody else's number is not touched
    ],
)
def test_own_replicas_grow_to_the_base(base: int | None, policy: ScalingPolicy, most: int) -> None:
    assert capped(switching(base, policy)).max_replicas == most


def test_what_others_answered_is_load_and_nobodys_capacity() -> None:
    served = Traffic(60.0, generated_tokens=600.0, prompt_tokens=600.0, finished=6.0)

    seen = LoadProfile().plus(served, 9, 1, Elsewhere(1200.0, 4800.0))

    assert seen.tokens_per_second[9] == pytest.approx(30.0)
    assert seen.peak_per_replica == pytest.approx(10.0)
    assert seen.prompt_per_generated == pytest.approx(3.0)


@pytest.mark.parametrize("status", [{"baseReplicas": True}, {"baseReplicas": -1}, {"way": "x"}])
def test_a_status_of_another_shape_chose_nothing(status: dict[str, Any]) -> None:
    assert published({"burst": status}) is None


def test_switch_without_an_alternative_names_the_field() -> None:
    body = specialist_body(placement={"burst": "Switch"})

    with pytest.raises(ValidationError, match="name an external Specialist"):
        SpecialistResource.model_validate(body)


def api_body() -> dict[str, Any]:
    body = specialist_body("api")
    price = {"inputPerMillionTokens": 0.5, "outputPerMillionTokens": 1.5}
    external = {"baseURL": "https://a.example/v1", "model": "m", "price": price}
    body["spec"] = {"field": "sorting", "external": external}
    return body


SWITCH = {"alternative": {"specialistRef": "api"}, "burst": "Switch"}


async def test_the_operator_chooses_a_base_keeps_to_it_and_says_so(stage: Stage) -> None:
    scene = Scene(stage)
    stage.cluster.put(api_body())
    await scene.begin(1, 3, **SWITCH)
    await scene.run_pods()
    assert scene.status["burst"]["message"] == "too little is known of the load yet"
    assert scene.status["burst"]["baseReplicas"] == 3

    for n in range(150):  # 75 minutes of 5 tokens/s on one replica, 45 tokens/s elsewhere
        scene.load = 2
        scene.generated += 30 * 5.0
        overflow(scene, n, 30 * 45)
        stage.now[0] += timedelta(seconds=28)
        await scene.pass_time(2)
        await scene.run_pods()

    burst, dedicated = scene.status["burst"], scene.status["dedicated"]
    assert dedicated["hourlyProfile"][12] == pytest.approx(50.0, rel=0.15)
    assert (burst["way"], burst["baseReplicas"]) == ("Hybrid", 1)
    assert burst["message"].startswith("1 own replica on rtx-4090, the rest at api: ")
    assert "Normal BurstSwitched" in stage.cluster.events

    scene.load = 40
    await scene.pass_time(60)
    assert scene.replicas == 1  # not 3: the rest is the alternative's

    stage.restart()
    scene.watch()
    await stage.start()
    assert scene.status["burst"] == burst


def overflow(scene: Scene, times: int, tokens: int) -> None:
    """What a router writes."""
    stored = scene.stage.cluster.find("Specialist", "ai/sorter")
    told = {
        "router": "router-a",
        "since": "2030-01-01T00:00:00Z",
        "requests": times,
        "generatedTokens": tokens * (times + 1),
        "promptTokens": 0,
    }
    status = {**stored["status"], "overflow": told}
    scene.stage.cluster.put({**stored, "status": status})


async def test_an_alternative_that_is_none_is_named_and_not_used(stage: Stage) -> None:
    scene = Scene(stage)
    await scene.begin(1, 3, **SWITCH)

    burst = scene.status["burst"]

    assert "baseReplicas" not in burst
    assert burst["message"].startswith("spec.placement.alternative.specialistRef is 'api': no such")


async def test_who_is_told_to_switch_no_more_has_no_base(stage: Stage) -> None:
    scene = Scene(stage)
    stage.cluster.put(api_body())
    await scene.begin(1, 3, **SWITCH)
    assert "burst" in scene.status

    await scene.respec(1, 3)

    assert "burst" not in scene.status
