"""One decision about a rollout: a pure function of what is wanted, decided, seen, and a time.

The rules are asked in order and the first that has something to say decides. A person's word comes
before any evidence, a fault before a measurement, and a regression before a gain. While the ledger
is silent nothing that rests on evidence is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tierwise_core.rollout.alarms import listen
from tierwise_core.rollout.comparing import compare, proves, realigned
from tierwise_core.rollout.cooldown import watch
from tierwise_core.rollout.evidence import observe
from tierwise_core.rollout.moves import go, promote, roll_back
from tierwise_core.rollout.preparing import asked, examined, pending, training
from tierwise_core.rollout.situation import Action, Plan, Seen, Standing, Wish
from tierwise_core.rollout.stages import COMPARED, FINAL, Stage

__all__ = ["decide"]


def decide(wish: Wish, standing: Standing, seen: Seen, now: float) -> Plan:
    """Say where the rollout stands after a look at the world, and what is to be done.

    ``now`` is in seconds since the epoch; a clock that went back is taken to stand still. A stage
    of :data:`FINAL` never changes.
    """
    if standing.stage in FINAL:
        return Plan(standing)
    plan = _decided(wish, _noted(wish, standing, seen, max(now, standing.at)), seen)
    signals = plan.standing.alarms.firing if plan.standing.stage in COMPARED else ()
    return replace(plan, gates=asked(wish, seen), signals=signals)


def _decided(wish: Wish, standing: Standing, seen: Seen) -> Plan:
    for rule in _RULES:
        plan = rule(wish, standing, seen)
        if plan is not None:
            return plan
    return _OF_STAGE[standing.stage](wish, standing, seen)


def _noted(wish: Wish, standing: Standing, seen: Seen, now: float) -> Standing:
    """Return the standing with the time and the windows taken in."""
    noted = replace(standing, at=now, unready_since=_unready_since(standing, seen, now))
    for window in seen.windows or ():
        if noted.stage is Stage.PROMOTED:
            kept = watch(noted.watch, window, noted.evidence, wish.yardstick)
            noted = replace(noted, watch=kept)
        elif noted.stage in COMPARED or noted.before in COMPARED:
            noted = replace(
                noted,
                evidence=observe(
                    noted.evidence, window, wish.yardstick, proves=proves(wish, noted)
                ),
                alarms=listen(noted.alarms, window, wish.thresholds, wish.yardstick),
            )
    return noted


def _unready_since(standing: Standing, seen: Seen, now: float) -> float | None:
    """Say since when green should serve and does not; None while it does, or cannot begin."""
    if seen.green_ready or seen.no_room or seen.training:
        return None
    return now if standing.unready_since is None else standing.unready_since


def _ending(_: Wish, standing: Standing, seen: Seen) -> Plan | None:
    """A rollback ends when every router has taken it up and green's failures are kept."""
    if standing.stage is not Stage.ROLLING_BACK:
        return None
    if seen.routed_percent != 0:
        return Plan(standing, (Action.KEEP_FAILURES,), waits_for="the routers to take green away")
    if not seen.failures_kept:
        return Plan(standing, (Action.KEEP_FAILURES,), waits_for="green's failures to be kept")
    ends = standing.ends or Stage.ROLLED_BACK
    return go(standing, ends, standing.reason, standing.why, Action.RETIRE_GREEN)


def _given_up(wish: Wish, standing: Standing, seen: Seen) -> Plan | None:
    """A person's abort, a candidate that cannot be, and one that another has replaced."""
    if wish.abort:
        return roll_back(standing, Stage.ABORTED, "Aborted", "abort was set")
    if standing.stage is Stage.PROMOTED:
        return None
    if seen.superseded:
        why = f"revision {seen.superseded} is wanted now"
        return roll_back(standing, Stage.ABORTED, "Superseded", why)
    if seen.refused:
        return roll_back(standing, Stage.ABORTED, "CandidateRefused", seen.refused)
    if seen.untrained:
        return roll_back(standing, Stage.ABORTED, "TrainingFailed", seen.untrained)
    return None


def _paused(wish: Wish, standing: Standing, _: Seen) -> Plan | None:
    """While paused nothing moves; what was interrupted goes on afterwards."""
    if standing.stage is Stage.PAUSED:
        if wish.paused:
            return Plan(standing, waits_for="paused to be taken back")
        before = standing.before or Stage.PENDING
        return go(standing, before, "Resumed", "paused was taken back", before=None)
    if not wish.paused:
        return None
    if standing.stage is Stage.PROMOTED:
        return Plan(standing, waits_for="paused to be taken back; blue stays warm")
    return go(standing, Stage.PAUSED, "Paused", "paused was set", before=standing.stage)


def _promoted_by_hand(wish: Wish, standing: Standing, seen: Seen) -> Plan | None:
    if not wish.promote or standing.stage is Stage.PROMOTED:
        return None
    if seen.green_ready:
        return promote(standing, "PromotedByHand", "promote was set")
    if standing.stage in COMPARED:
        return Plan(standing, waits_for="green to serve: promote was set and it does not")
    return None


def _broken(wish: Wish, standing: Standing, seen: Seen) -> Plan | None:
    """Green that does not serve, and will not, goes; whoever is served is served by blue."""
    if standing.unready_since is None:
        return None
    if seen.green_fault:
        return roll_back(standing, Stage.ROLLED_BACK, "GreenFailed", seen.green_fault)
    if standing.at - standing.unready_since > wish.ready_within_s:
        why = f"green has not served for {wish.ready_within_s:.0f} s"
        return roll_back(standing, Stage.ROLLED_BACK, "GreenNotReady", why)
    return None


_RULES: Final = (_ending, _given_up, _paused, _broken, _promoted_by_hand, realigned)


def _cooling(wish: Wish, standing: Standing, seen: Seen) -> Plan:
    """Blue is warm: go back at the first sure regression, else let blue go."""
    if seen.windows is None:
        return Plan(standing, waits_for="the ledger, which is silent; blue stays warm")
    record = standing.evidence.record
    if record is not None and standing.watch.regressed(wish.certainty):
        green = standing.watch.green
        why = (
            f"in the cooldown green's utility is {green.mean or 0.0:.3f} of {green.judged} "
            f"answers; blue's was {record[0]:.3f} ± {1.96 * record[1]:.3f}"
        )
        return roll_back(standing, Stage.ROLLED_BACK, "RegressionInCooldown", why)
    left = wish.cooldown_s - (standing.at - standing.since)
    if left > 0:
        blind = "" if record else "; nothing is known of blue's utility to hold green against"
        return Plan(standing, waits_for=f"the cooldown: {left:.0f} s{blind}")
    why = f"green held through a cooldown of {wish.cooldown_s:.0f} s"
    return go(standing, Stage.COMPLETE, "Held", why, Action.RETIRE_BLUE, Action.REBASE)


_Handler = Callable[[Wish, Standing, Seen], Plan]
_OF_STAGE: Final[dict[Stage, _Handler]] = {
    Stage.PENDING: pending,
    Stage.TRAINING: training,
    Stage.BENCHMARK: examined,
    Stage.SHADOW: compare,
    Stage.CANARY: compare,
    Stage.SHIFTING: compare,
    Stage.INCONCLUSIVE: compare,
    Stage.PROMOTED: _cooling,
}
