"""What a strategy and a field's profile ask of the decision."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from tierwise_api.fieldprofile import FieldProfileSpec
from tierwise_api.rollout import RolloutSpec
from tierwise_api.rollout_ramp import GateName, SignalName
from tierwise_api.rollout_strategy import RolloutStrategy
from tierwise_api.rollout_wish import judgement_by, wish_of
from tierwise_core.rollout.gates import Gate
from tierwise_core.rollout.ramp import RAMP, Step
from tierwise_core.rollout.signals import Signal, Thresholds
from tierwise_core.rollout.situation import Wish

PROFILE = FieldProfileSpec.model_validate(
    {
        "weights": {"efficacy": 0.5, "confidence": 0.5, "curiosity": 0},
        "penaltyMultiplier": 5,
        "window": {"interactions": 20},
        "promotionThreshold": 0.8,
        "contradictionTolerance": 2,
    }
)


def wish(profile: FieldProfileSpec | None = None, **strategy: Any) -> Wish:
    spec = RolloutSpec.model_validate(
        {
            "specialistRef": {"name": "sorter"},
            "candidate": {"model": {"source": "hf://acme/sorter"}},
            "strategy": strategy,
        }
    )
    return wish_of(spec, profile, judgement_by(profile, "general"))


def test_what_the_strategy_leaves_out_is_the_fields() -> None:
    asked = wish(PROFILE)

    assert (asked.yardstick.delta, asked.yardstick.tolerance) == (0.01, 2)
    assert (asked.yardstick.first, asked.yardstick.step) == (40, 20)
    assert asked.shares.threshold == pytest.approx(0.8)


def test_without_a_profile_the_field_is_judged_as_it_is_built_in() -> None:
    asked = wish()

    assert (asked.yardstick.delta, asked.yardstick.tolerance) == (0.04, 1.5)
    assert (asked.yardstick.first, asked.yardstick.step) == (8, 4)
    assert asked.shares.threshold == pytest.approx(0.9)


def test_the_strategys_own_word_comes_first() -> None:
    asked = wish(PROFILE, minInteractions=7, windowInteractions=3, promotionThreshold=0.7)

    assert (asked.yardstick.first, asked.yardstick.step) == (7, 3)
    assert asked.shares.threshold == pytest.approx(0.7)


def test_defaults_of_the_resource_are_those_of_the_decision() -> None:
    plain = wish()

    assert plain == Wish(yardstick=plain.yardstick)


def test_times_shares_and_signals_are_read_in_the_units_of_the_decision() -> None:
    asked = wish(
        cooldown="30m",
        deadline="24h",
        readyWithin="1h30m",
        signals={
            "qualityFloor": 0.8,
            "escalationPoints": 3,
            "costRisePercent": 20,
            "p99": "1500ms",
            "latencyVariancePercent": 80,
            "ignore": ["Escalations"],
        },
    )

    assert (asked.cooldown_s, asked.deadline_s, asked.ready_within_s) == (1800, 86400, 5400)
    assert asked.thresholds == Thresholds(
        quality=0.8,
        escalation_points=0.03,
        cost_rise=0.2,
        p99_s=1.5,
        variance_rise=0.8,
        ignored=(Signal.ESCALATIONS,),
    )


def test_stages_are_the_ramp_and_without_any_the_usual_one_is() -> None:
    stages = [{"shadowPercent": 5}, {"percent": 20, "minInteractions": 200}]

    assert wish(type="Stages", stages=stages).ramp == (Step(0, 5), Step(20, 0, 200))
    assert wish(type="Stages").ramp == RAMP


def test_gates_are_skipped_by_their_names() -> None:
    assert wish(skipGates=["RampPlan"]).skipped == (Gate.RAMP_PLAN,)


def test_the_resource_knows_every_gate_signal_and_strategy() -> None:
    assert set(get_args(GateName)) == {gate.value for gate in Gate}
    assert set(get_args(SignalName)) == {signal.value for signal in Signal}
    kinds = set(get_args(RolloutStrategy.model_fields["type"].annotation))
    assert {wish(type=kind).strategy for kind in kinds} == kinds
