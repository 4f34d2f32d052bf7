"""A Rollout's strategy and its field's profile, as the decision reads them."""

from __future__ import annotations

from typing import Final

from tierwise_api.fieldprofile import FieldProfileSpec
from tierwise_api.rollout import RolloutSpec
from tierwise_api.rollout_ramp import RolloutSignals
from tierwise_api.rollout_strategy import RolloutStrategy
from tierwise_core.field_profiles import FieldJudgement, judgement_of
from tierwise_core.rollout.clearance import Clearance
from tierwise_core.rollout.evidence import Yardstick
from tierwise_core.rollout.gates import Gate
from tierwise_core.rollout.judgement import Shares
from tierwise_core.rollout.ramp import RAMP, Step
from tierwise_core.rollout.signals import Signal, Thresholds
from tierwise_core.rollout.situation import Wish
from tierwise_core.utility import UtilityWeights

__all__ = ["judgement_by", "wish_of"]

PERCENT: Final = 100
DEFAULT_THRESHOLD: Final = 0.9
DEFAULT_TOLERANCE: Final = 1.5


def judgement_by(profile: FieldProfileSpec | None, field: str) -> FieldJudgement:
    """Return how a field judges: its profile's own word, or what is built in for the field.

    >>> judgement_by(None, "software-engineering").interactions
    10
    """
    if profile is None:
        return judgement_of(field)
    weights = profile.weights
    return FieldJudgement(
        UtilityWeights(weights.efficacy, weights.confidence, weights.curiosity),
        profile.penalty_multiplier,
        profile.window.interactions,
    )


def wish_of(spec: RolloutSpec, profile: FieldProfileSpec | None, judgement: FieldJudgement) -> Wish:
    """Return what a Rollout asks for; what its strategy leaves out is the field's.

    >>> spec = RolloutSpec.model_validate({"specialistRef": {"name": "sorter"},
    ...     "candidate": {"model": {"source": "hf://acme/sorter"}}})
    >>> wish = wish_of(spec, None, FieldJudgement(penalty=2.0, interactions=10))
    >>> wish.yardstick.delta, wish.yardstick.first, wish.yardstick.step, wish.strategy
    (0.025, 20, 10, 'Utility')
    """
    strategy = spec.strategy
    return Wish(
        shares=_shares(strategy, profile),
        yardstick=_yardstick(strategy, profile, judgement),
        cooldown_s=strategy.cooldown_seconds,
        deadline_s=strategy.deadline_seconds,
        ready_within_s=strategy.ready_within_seconds,
        on_inconclusive=strategy.on_inconclusive,
        paused=spec.paused,
        abort=spec.abort,
        promote=spec.promote,
        strategy=strategy.type,
        ramp=_ramp(strategy),
        shadow_percent=strategy.shadow_percent,
        skipped=tuple(Gate(name) for name in strategy.skip_gates),
        clearance=_clearance(profile),
        thresholds=_thresholds(strategy.signals),
    )


def _clearance(profile: FieldProfileSpec | None) -> Clearance:
    if profile is None:
        return Clearance()
    asked = profile.compliance
    return Clearance(tuple(asked.standards), tuple(asked.regions), tuple(asked.sources))


def _shares(strategy: RolloutStrategy, profile: FieldProfileSpec | None) -> Shares:
    usual = profile.promotion_threshold if profile is not None else DEFAULT_THRESHOLD
    return Shares(
        strategy.initial_weight_percent,
        strategy.floor_percent,
        strategy.ceiling_percent,
        strategy.temperature,
        usual if strategy.promotion_threshold is None else strategy.promotion_threshold,
    )


def _yardstick(
    strategy: RolloutStrategy, profile: FieldProfileSpec | None, judgement: FieldJudgement
) -> Yardstick:
    """N_min is twice the field's T, and a look is taken every T answers."""
    return Yardstick(
        judgement.noticeable_change,
        profile.contradiction_tolerance if profile is not None else DEFAULT_TOLERANCE,
        strategy.min_interactions or 2 * judgement.interactions,
        strategy.window_interactions or judgement.interactions,
    )


def _ramp(strategy: RolloutStrategy) -> tuple[Step, ...]:
    if strategy.stages is None:
        return RAMP
    return tuple(
        Step(stage.percent, stage.shadow_percent, stage.min_interactions)
        for stage in strategy.stages
    )


def _thresholds(signals: RolloutSignals) -> Thresholds:
    return Thresholds(
        quality=signals.quality_floor,
        escalation_points=signals.escalation_points / PERCENT,
        p99_s=signals.p99_seconds,
        variance_rise=signals.latency_variance_percent / PERCENT,
        cost_rise=signals.cost_rise_percent / PERCENT,
        ignored=tuple(Signal(name) for name in signals.ignore),
    )
