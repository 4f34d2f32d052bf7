"""While both sides answer: judge, promote, go back, or move the shares as the strategy says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from tierwise_core.rollout.alarms import Alarm
from tierwise_core.rollout.judgement import Finding, Judgement, earned_percent, judge
from tierwise_core.rollout.moves import begin_serving, enter, go, promote, roll_back
from tierwise_core.rollout.ramp import HALF, Step, Strategy
from tierwise_core.rollout.situation import Plan, Seen, Standing, Wish
from tierwise_core.rollout.stages import COMPARED, Stage

__all__ = ["compare", "proves", "realigned"]

MOST_RETURNS: Final = 2
"""How often a signal may send a ramp one stage back before it is taken back for good."""


def compare(wish: Wish, standing: Standing, seen: Seen) -> Plan:
    """Say what the evidence comes to, and what follows."""
    if seen.windows is None:
        return Plan(standing, waits_for="the ledger, which is silent; shares stay as they are")
    found = judge(standing.evidence, wish.certainty)
    if found.regressed:
        return roll_back(standing, Stage.ROLLED_BACK, found.finding.value, found.why)
    if alarm := standing.alarms.persisting(wish.certainty):
        return _reverted(wish, standing, alarm)
    return _resolved(wish, standing, found) or _moved(wish, standing, found)


def realigned(wish: Wish, standing: Standing, seen: Seen) -> Plan | None:
    """Follow a strategy that was edited on the way; what waits for a person stays as it is."""
    if standing.stage not in COMPARED - {Stage.INCONCLUSIVE} or not seen.green_ready:
        return None
    return _REALIGNED[wish.strategy](wish, standing)


def _to_utility(wish: Wish, standing: Standing) -> Plan | None:
    if standing.stage is Stage.SHADOW:
        return begin_serving(wish, standing, "StrategyChanged", "its strategy is Utility now")
    least, most = wish.shares.floor_percent, wish.shares.ceiling_percent
    if least <= standing.percent <= most:
        return None
    within = replace(standing, percent=max(least, min(most, standing.percent)))
    return Plan(within, waits_for=f"a share of {least} to {most} %, as its strategy asks for")


def _to_shadow(wish: Wish, standing: Standing) -> Plan | None:
    if (standing.stage, standing.shadow_percent) == (Stage.SHADOW, wish.shadow_percent):
        return None
    why = f"its strategy is Shadow now, with {wish.shadow_percent} % of the requests"
    shares = {"percent": 0, "shadow_percent": wish.shadow_percent}
    return go(standing, Stage.SHADOW, "StrategyChanged", why, **shares)


def _to_stages(wish: Wish, standing: Standing) -> Plan | None:
    at = _step(wish, standing)
    step = wish.ramp[at]
    if (standing.percent, standing.shadow_percent) == (step.percent, step.shadow_percent):
        return None
    why = f"its strategy is Stages now, and stage {at + 1} of {len(wish.ramp)} is {_told(step)}"
    if standing.stage is Stage.SHADOW:
        standing = replace(standing, evidence=standing.evidence.afresh(standing.at))
    return enter(wish, standing, at, "StrategyChanged", why)


def _to_blue_green(_: Wish, standing: Standing) -> Plan:
    return promote(standing, "BlueGreen", "its strategy is BlueGreen now")


_REALIGNED: Final[Mapping[Strategy, Callable[[Wish, Standing], Plan | None]]] = MappingProxyType(
    {
        "Utility": _to_utility,
        "Stages": _to_stages,
        "BlueGreen": _to_blue_green,
        "Shadow": _to_shadow,
    }
)


def proves(wish: Wish, standing: Standing) -> bool:
    """Say whether what green does now speaks for it: on a ramp, once it has users."""
    unseen = Stage.SHADOW in {standing.stage, standing.before}
    serves_later = wish.strategy == "Stages" and any(step.percent for step in wish.ramp)
    return not (unseen and serves_later)


def _step(wish: Wish, standing: Standing) -> int:
    """Return the stage of the ramp that it stands on; a ramp may have been shortened."""
    return min(standing.step, len(wish.ramp) - 1)


def _told(step: Step) -> str:
    if step.shadow_percent:
        return f"{step.shadow_percent} % of the requests, answered unseen"
    return f"{step.percent} % of the traffic"


def _reverted(wish: Wish, standing: Standing, alarm: Alarm) -> Plan:
    """Take back what a signal goes on against: one stage of a ramp, or all."""
    reason, at = alarm.signal.value, _step(wish, standing)
    on_ramp = wish.strategy == "Stages" and standing.stage is not Stage.INCONCLUSIVE
    if on_ramp and at > 0 and standing.returns < MOST_RETURNS:
        why = f"{alarm.why}; it goes on: back to {_told(wish.ramp[at - 1])}"
        changes = {"returns": standing.returns + 1, "alarms": standing.alarms.listening_again()}
        return enter(wish, standing, at - 1, reason, why, **changes)
    return roll_back(standing, Stage.ROLLED_BACK, reason, f"{alarm.why}; it goes on")


def _resolved(wish: Wish, standing: Standing, found: Judgement) -> Plan | None:
    """Promote, or give up to find a difference."""
    if standing.evidence.green.judged < wish.yardstick.first:
        return None
    if _may_promote(wish, standing, found):
        reason = "Better" if found.finding is Finding.BETTER else "NotWorse"
        return promote(standing, reason, found.why)
    return None if standing.stage is Stage.INCONCLUSIVE else _undecidable(wish, standing, found)


def _may_promote(wish: Wish, standing: Standing, found: Judgement) -> bool:
    if wish.strategy == "Shadow" or standing.alarms.firing or not _ramped(wish, standing):
        return False
    proven = found.finding in {Finding.NOT_WORSE, Finding.EQUAL}
    return found.finding is Finding.BETTER or (proven and wish.on_inconclusive == "Promote")


def _ramped(wish: Wish, standing: Standing) -> bool:
    """Say whether no stage of a ramp is left to come."""
    if wish.strategy != "Stages":
        return True
    last = _step(wish, standing) == len(wish.ramp) - 1
    return last and _answers_left(wish, standing) <= 0


def _answers_left(wish: Wish, standing: Standing) -> int:
    step = wish.ramp[_step(wish, standing)]
    return step.least(wish.yardstick.step) - (standing.evidence.green.judged - standing.step_from)


def _undecidable(wish: Wish, standing: Standing, found: Judgement) -> Plan | None:
    """Say so when no difference counts, or none was found in time."""
    late = wish.deadline_s is not None and standing.at - standing.began > wish.deadline_s
    if not late and not _nothing_to_find(wish, standing, found):
        return None
    held = f"; it holds for {_held(standing)}" if standing.alarms.firing else ""
    why = f"{found.why}; the deadline has passed{held}" if late else found.why
    if wish.on_inconclusive == "Rollback" and found.finding is not Finding.BETTER:
        return roll_back(standing, Stage.ROLLED_BACK, "Inconclusive", why)
    return go(standing, Stage.INCONCLUSIVE, "Inconclusive", why, shadow_percent=0)


def _nothing_to_find(wish: Wish, standing: Standing, found: Judgement) -> bool:
    """Say whether more evidence would tell nothing; not while a signal is a difference itself."""
    if standing.alarms.firing:
        return False
    if wish.strategy == "Shadow":
        return found.finding in {Finding.BETTER, Finding.EQUAL}
    return found.finding is Finding.EQUAL and _ramped(wish, standing)


def _moved(wish: Wish, standing: Standing, found: Judgement) -> Plan:
    if standing.stage is Stage.INCONCLUSIVE:
        return Plan(standing, waits_for=f"promote or abort: {found.why}")
    return _MOVED[wish.strategy](wish, standing, found)


def _held(standing: Standing) -> str:
    """Tell the signals that hold the ramp; empty where none does."""
    told = "; ".join(f"{one.signal.value}: {one.why}" for one in standing.alarms.firing)
    return f"signals to fall silent: {told}" if told else ""


def _by_utility(wish: Wish, standing: Standing, found: Judgement) -> Plan:
    """The share is what the evidence has earned; a signal that fires lets it fall only."""
    few = standing.evidence.green.judged < wish.yardstick.first
    if few:
        waits = f"{wish.yardstick.first} answers of green that are judged{_unjudged(standing)}"
        return Plan(standing, waits_for=waits)
    percent = earned_percent(standing.evidence, wish.shares)
    if held := _held(standing):
        return Plan(replace(standing, percent=min(percent, standing.percent)), waits_for=held)
    moved = replace(standing, percent=percent)
    if standing.stage is Stage.CANARY:
        return go(moved, Stage.SHIFTING, "CanaryPassed", found.why)
    return Plan(moved, waits_for=f"more evidence: {found.why}")


def _by_stages(wish: Wish, standing: Standing, found: Judgement) -> Plan:
    """A stage lasts until it has its answers and no signal fires; the last until it is proven."""
    at, left = _step(wish, standing), _answers_left(wish, standing)
    step = f"stage {at + 1} of {len(wish.ramp)}"
    if held := _held(standing):
        return Plan(standing, waits_for=f"{step}: {held}")
    if left > 0:
        waits = f"{step}: {left} more answers of green that are judged{_unjudged(standing)}"
        return Plan(standing, waits_for=waits)
    if at + 1 == len(wish.ramp) or _unproven(wish.ramp[at + 1], found):
        return Plan(standing, waits_for=f"{step}: more evidence: {found.why}")
    why = f"{step} is passed: {found.why}; now {_told(wish.ramp[at + 1])}"
    return enter(wish, standing, at + 1, "StagePassed", why)


def _unproven(step: Step, found: Judgement) -> bool:
    """Say whether most users would be sent to green before it is proven.

    Evidence comes fastest where both sides answer half: to wait there costs the least time.
    """
    return step.percent > HALF and found.finding is Finding.UNDECIDED


def _unseen(_: Wish, standing: Standing, found: Judgement) -> Plan:
    waits = f"more evidence: {found.why}{_unjudged(standing)}"
    return Plan(standing, waits_for=_held(standing) or waits)


def _unjudged(standing: Standing) -> str:
    """Tell that green answers and nobody judges it; empty where it is not so."""
    evidence = standing.evidence
    answered = evidence.green.requests + evidence.waiting_green.requests
    if not answered or evidence.green.judged or evidence.waiting_green.judged:
        return ""
    needs = "give the Specialist or its FieldProfile verifiers"
    if standing.shadow_percent:
        return (
            f"; {answered} shadows were answered and none was judged: no user speaks of what "
            f"nobody sees, and no verifier had a word on them; {needs}"
        )
    return f"; {answered} were answered and none was judged: send feedback, or {needs}"


_MOVED: Final[Mapping[Strategy, Callable[[Wish, Standing, Judgement], Plan]]] = MappingProxyType(
    {"Utility": _by_utility, "Stages": _by_stages, "BlueGreen": _by_utility, "Shadow": _unseen}
)
