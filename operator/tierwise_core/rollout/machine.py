"""One decision about a rollout: a pure function of what is wanted, decided, seen, and a time.

The rules are asked in order and the first that has something to say decides. A person's word comes
before any evidence, a fault before a measurement, and a regression before a gain. While the ledger
is silent nothing that rests on evidence is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tierwise_core.rollout.cooldown import watch
from tierwise_core.rollout.evidence import observe
from tierwise_core.rollout.judgement import Finding, Judgement, earned_percent, judge
from tierwise_core.rollout.situation import Action, Plan, Seen, Standing, Transition, Wish
from tierwise_core.rollout.stages import FINAL, LIVE, Stage

__all__ = ["decide"]


def decide(wish: Wish, standing: Standing, seen: Seen, now: float) -> Plan:
    """Say where the rollout stands after a look at the world, and what is to be done.

    ``now`` is in seconds since the epoch; a clock that went back is taken to stand still. A stage
    of :data:`FINAL` never changes.
    """
    if standing.stage in FINAL:
        return Plan(standing)
    before = _noted(wish, standing, seen, max(now, standing.at))
    for rule in _RULES:
        plan = rule(wish, before, seen)
        if plan is not None:
            return plan
    return _OF_STAGE[before.stage](wish, before, seen)


def _noted(wish: Wish, standing: Standing, seen: Seen, now: float) -> Standing:
    """Return the standing with the time and the windows taken in."""
    unready = standing.unready_since if standing.unready_since is not None else now
    noted = replace(standing, at=now, unready_since=None if seen.green_ready else unready)
    for window in seen.windows or ():
        if noted.stage is Stage.PROMOTED:
            kept = watch(noted.watch, window, noted.evidence, wish.yardstick)
            noted = replace(noted, watch=kept)
        elif noted.stage in LIVE or noted.before in LIVE:
            noted = replace(noted, evidence=observe(noted.evidence, window, wish.yardstick))
    return noted


def _go(
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


def _roll_back(standing: Standing, ends: Stage, reason: str, why: str) -> Plan:
    """Give blue everything, at once; what green did wrong is kept before green goes."""
    return _go(
        standing,
        Stage.ROLLING_BACK,
        reason,
        why,
        Action.KEEP_FAILURES,
        percent=0,
        ends=ends,
        before=None,
    )


def _ending(_: Wish, standing: Standing, seen: Seen) -> Plan | None:
    """A rollback ends when every router has taken it up and green's failures are kept."""
    if standing.stage is not Stage.ROLLING_BACK:
        return None
    if seen.routed_percent != 0:
        return Plan(standing, (Action.KEEP_FAILURES,), waits_for="the routers to take green away")
    if not seen.failures_kept:
        return Plan(standing, (Action.KEEP_FAILURES,), waits_for="green's failures to be kept")
    ends = standing.ends or Stage.ROLLED_BACK
    return _go(standing, ends, standing.reason, standing.why, Action.RETIRE_GREEN)


def _given_up(wish: Wish, standing: Standing, seen: Seen) -> Plan | None:
    """A person's abort, a candidate that cannot be, and one that another has replaced."""
    if wish.abort:
        return _roll_back(standing, Stage.ABORTED, "Aborted", "abort was set")
    if standing.stage is Stage.PROMOTED:
        return None
    if seen.superseded:
        why = f"revision {seen.superseded} is wanted now"
        return _roll_back(standing, Stage.ABORTED, "Superseded", why)
    if seen.refused:
        return _roll_back(standing, Stage.ABORTED, "CandidateRefused", seen.refused)
    return None


def _paused(wish: Wish, standing: Standing, _: Seen) -> Plan | None:
    """While paused nothing moves; what was interrupted goes on afterwards."""
    if standing.stage is Stage.PAUSED:
        if wish.paused:
            return Plan(standing, waits_for="paused to be taken back")
        before = standing.before or Stage.PENDING
        return _go(standing, before, "Resumed", "paused was taken back", before=None)
    if not wish.paused:
        return None
    if standing.stage is Stage.PROMOTED:
        return Plan(standing, waits_for="paused to be taken back; blue stays warm")
    return _go(standing, Stage.PAUSED, "Paused", "paused was set", before=standing.stage)


def _promoted_by_hand(wish: Wish, standing: Standing, seen: Seen) -> Plan | None:
    if not wish.promote or standing.stage is Stage.PROMOTED:
        return None
    if seen.green_ready:
        return _promote(standing, "PromotedByHand", "promote was set")
    if standing.stage in LIVE:
        return Plan(standing, waits_for="green to serve: promote was set and it does not")
    return None


def _promote(standing: Standing, reason: str, why: str) -> Plan:
    return _go(standing, Stage.PROMOTED, reason, why, percent=100, before=None)


def _broken(wish: Wish, standing: Standing, seen: Seen) -> Plan | None:
    """Green that does not serve, and will not, goes; whoever is served is served by blue."""
    if seen.green_ready or standing.stage is Stage.TRAINING or seen.no_room:
        return None
    if seen.green_fault:
        return _roll_back(standing, Stage.ROLLED_BACK, "GreenFailed", seen.green_fault)
    since = standing.since if standing.unready_since is None else standing.unready_since
    if standing.at - max(since, standing.began) > wish.ready_within_s:
        why = f"green has not served for {wish.ready_within_s:.0f} s"
        return _roll_back(standing, Stage.ROLLED_BACK, "GreenNotReady", why)
    return None


_RULES: Final = (_ending, _given_up, _paused, _promoted_by_hand, _broken)


def _pending(wish: Wish, standing: Standing, seen: Seen) -> Plan:
    if seen.training:
        return _go(standing, Stage.TRAINING, "Training", "the candidate is being trained")
    if seen.no_room:
        return Plan(standing, waits_for=seen.no_room)
    if not seen.green_ready:
        return Plan(standing, (Action.START_GREEN,), waits_for="green to serve")
    if seen.benchmark.state == seen.safety.state == "Missing":
        return _canary(wish, standing, "there is no benchmark and no safety set to pass")
    why = "green serves; nobody is sent to it before it has been examined"
    return _go(standing, Stage.BENCHMARK, "GreenReady", why, Action.RUN_BENCHMARK)


def _training(_: Wish, standing: Standing, seen: Seen) -> Plan:
    if seen.training:
        return Plan(standing, waits_for="the training job")
    return _go(standing, Stage.PENDING, "Trained", "the training job has ended", began=standing.at)


def _examined(wish: Wish, standing: Standing, seen: Seen) -> Plan:
    """What benchmark and safety set say; a loss of safety is for a person to judge."""
    if seen.benchmark.loses:
        why = seen.benchmark.why
        return _roll_back(standing, Stage.ROLLED_BACK, "BenchmarkRegression", why)
    if seen.safety.loses:
        return Plan(standing, waits_for=f"promote or abort: {seen.safety.why}")
    for name, one in (("benchmark", seen.benchmark), ("safety set", seen.safety)):
        if one.state == "Unreadable":
            return Plan(standing, waits_for=f"a {name} that can be read: {one.why}")
        if one.state == "Running":
            return Plan(standing, (Action.RUN_BENCHMARK,), waits_for=f"the {name}")
    return _canary(wish, standing, seen.benchmark.why or "nothing was lost")


def _canary(wish: Wish, standing: Standing, why: str) -> Plan:
    # What either side did before counts for nothing: they are compared within windows.
    fresh = replace(standing.evidence, until=max(standing.evidence.until, standing.at))
    percent = wish.shares.initial_percent
    return _go(standing, Stage.CANARY, "Examined", why, evidence=fresh, percent=percent)


def _live(wish: Wish, standing: Standing, seen: Seen) -> Plan:
    """Both serve: judge, promote, roll back or move the shares."""
    if seen.windows is None:
        return Plan(standing, waits_for="the ledger, which is silent; shares stay as they are")
    found = judge(standing.evidence, wish.certainty)
    if found.regressed:
        return _roll_back(standing, Stage.ROLLED_BACK, found.finding.value, found.why)
    return _resolved(wish, standing, found) or _moved(wish, standing, found)


def _resolved(wish: Wish, standing: Standing, found: Judgement) -> Plan | None:
    """Promote, or give up to find a difference."""
    if standing.evidence.green.judged < wish.yardstick.first:
        return None
    if found.finding is Finding.BETTER:
        return _promote(standing, "Better", found.why)
    proven = found.finding in {Finding.NOT_WORSE, Finding.EQUAL}
    if proven and wish.on_inconclusive == "Promote":
        return _promote(standing, "NotWorse", found.why)
    return None if standing.stage is Stage.INCONCLUSIVE else _undecidable(wish, standing, found)


def _undecidable(wish: Wish, standing: Standing, found: Judgement) -> Plan | None:
    """Say so when no difference counts, or none was found in time."""
    late = wish.deadline_s is not None and standing.at - standing.began > wish.deadline_s
    if found.finding is not Finding.EQUAL and not late:
        return None
    why = f"{found.why}; the deadline has passed" if late else found.why
    if wish.on_inconclusive == "Rollback":
        return _roll_back(standing, Stage.ROLLED_BACK, "Inconclusive", why)
    return _go(standing, Stage.INCONCLUSIVE, "Inconclusive", why)


def _moved(wish: Wish, standing: Standing, found: Judgement) -> Plan:
    if standing.stage is Stage.INCONCLUSIVE:
        return Plan(standing, waits_for=f"promote or abort: {found.why}")
    if standing.evidence.green.judged < wish.yardstick.first:
        return Plan(standing, waits_for=f"{wish.yardstick.first} answers of green that are judged")
    percent = earned_percent(standing.evidence, wish.shares)
    moved = replace(standing, percent=percent)
    if standing.stage is Stage.CANARY:
        return _go(moved, Stage.SHIFTING, "CanaryPassed", found.why)
    return Plan(moved, waits_for=found.why)


def _cooling(wish: Wish, standing: Standing, seen: Seen) -> Plan:
    """Blue is warm: go back at the first sure regression, else let blue go."""
    if seen.windows is None:
        return Plan(standing, waits_for="the ledger, which is silent; blue stays warm")
    if standing.watch.regressed(wish.certainty):
        green = standing.watch.green
        why = (
            f"in the cooldown green's utility is {green.mean or 0.0:.3f} of {green.judged} "
            f"answers; blue's was {standing.evidence.blue.mean or 0.0:.3f}"
        )
        return _roll_back(standing, Stage.ROLLED_BACK, "RegressionInCooldown", why)
    left = wish.cooldown_s - (standing.at - standing.since)
    if left > 0:
        return Plan(standing, waits_for=f"the cooldown: {left:.0f} s")
    why = f"green held through a cooldown of {wish.cooldown_s:.0f} s"
    return _go(standing, Stage.COMPLETE, "Held", why, Action.RETIRE_BLUE, Action.REBASE)


_Handler = Callable[[Wish, Standing, Seen], Plan]
_OF_STAGE: Final[dict[Stage, _Handler]] = {
    Stage.PENDING: _pending,
    Stage.TRAINING: _training,
    Stage.BENCHMARK: _examined,
    Stage.CANARY: _live,
    Stage.SHIFTING: _live,
    Stage.INCONCLUSIVE: _live,
    Stage.PROMOTED: _cooling,
}
