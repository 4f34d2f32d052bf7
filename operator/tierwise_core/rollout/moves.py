"""The steps that every decision about a rollout is made of."""

from __future__ import annotations

from dataclasses import replace

from tierwise_core.rollout.situation import Action, Plan, Standing, Transition, Wish
from tierwise_core.rollout.stages import Stage

__all__ = ["begin_serving", "enter", "go", "promote", "roll_back"]


def go(
    standing: Standing, after: Stage, reason: str, why: str, *actions: Action, **changes: object
) -> Plan:
    """Move to another stage."""
    moved = replace(
        standing,
        stage=after,
        since=standing.at,
        reason=reason,
        why=why,
        **changes,  # type: ignore[arg-type]
    )
    return Plan(moved, actions, (Transition(standing.stage, after, reason, why),))


def roll_back(standing: Standing, ends: Stage, reason: str, why: str) -> Plan:
    """Give blue everything, at once; what green did wrong is kept before green goes."""
    return go(
        standing,
        Stage.ROLLING_BACK,
        reason,
        why,
        Action.KEEP_FAILURES,
        percent=0,
        shadow_percent=0,
        ends=ends,
        before=None,
    )


def promote(standing: Standing, reason: str, why: str) -> Plan:
    """Give green everything, with blue warm beside it."""
    return go(standing, Stage.PROMOTED, reason, why, percent=100, shadow_percent=0)


def begin_serving(wish: Wish, standing: Standing, reason: str, why: str) -> Plan:
    """Send green its first share; what either side did before counts for nothing."""
    return go(
        standing,
        Stage.CANARY,
        reason,
        why,
        evidence=standing.evidence.afresh(standing.at),
        percent=wish.shares.initial_percent,
        shadow_percent=0,
    )


def enter(
    wish: Wish, standing: Standing, at: int, reason: str, why: str, **changes: object
) -> Plan:
    """Enter a stage of the wish's ramp, counted from 0."""
    step = wish.ramp[at]
    heard = standing.percent == 0 and step.percent > 0
    evidence = standing.evidence.served(standing.at) if heard else standing.evidence
    return go(
        standing,
        _stage(wish, at),
        reason,
        why,
        evidence=evidence,
        percent=step.percent,
        shadow_percent=step.shadow_percent,
        step=at,
        step_from=evidence.green.judged,
        **changes,
    )


def _stage(wish: Wish, at: int) -> Stage:
    if wish.ramp[at].shadow_percent:
        return Stage.SHADOW
    served = any(step.percent for step in wish.ramp[:at])
    return Stage.SHIFTING if served else Stage.CANARY
