"""One word for what a rollout waits for, and whether a status says anything but words anew."""

from collections.abc import Mapping
from typing import Any

from tierwise_core.rollout.situation import Plan
from tierwise_core.rollout.stages import COMPARED, Stage
from tierwise_operator.rolling.sight import Sight


def waiting_for(plan: Plan, seen: Sight) -> str:
    """Return the word; empty where the stage's own reason says it all."""
    if not plan.waits_for:
        return ""
    stage, looked = plan.standing.stage, seen.seen
    if stage in {Stage.PAUSED, Stage.INCONCLUSIVE, Stage.TRAINING}:
        return stage.value
    if stage is Stage.ROLLING_BACK:
        return "RoutersBehind" if looked.routed_percent != 0 else "FailuresNotKept"
    if looked.windows is None and (stage in COMPARED or stage is Stage.PROMOTED):
        return "LedgerSilent"
    return _before_or_during(plan, seen)


def _before_or_during(plan: Plan, seen: Sight) -> str:
    stage, looked = plan.standing.stage, seen.seen
    if stage is Stage.PENDING and looked.no_room:
        return "NoRoom"
    if not looked.green_ready and stage is not Stage.PROMOTED:
        return "GreenNotReady"
    if any(gate.holds for gate in plan.gates):
        return "GateMissing"
    if looked.safety.loses:
        return "SafetyRegression"
    if plan.signals:
        return "SignalFires"
    return {
        Stage.BENCHMARK: "Examining",
        Stage.CANARY: "EvidenceNeeded",
        Stage.SHADOW: "EvidenceNeeded",
        Stage.SHIFTING: "EvidenceNeeded",
        Stage.PROMOTED: "Cooldown",
    }.get(stage, "")


def told_again(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Say whether two statuses differ in their words alone.

    >>> told_again({"stage": "Promoted", "waitsFor": "9 s"}, {"stage": "Promoted"})
    True
    >>> told_again({"stage": "Promoted"}, {"stage": "Canary"})
    False
    """
    return _facts(wanted) == _facts(live)


def _facts(status: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in status.items() if name not in {"waitsFor", "memory"}}
    kept["conditions"] = [
        {name: word for name, word in condition.items() if name != "message"}
        for condition in status.get("conditions") or ()
    ]
    return kept
