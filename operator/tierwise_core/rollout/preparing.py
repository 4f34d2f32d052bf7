"""Before anybody is sent to green: training, room, an examination and the gates."""

from __future__ import annotations

from dataclasses import replace

from tierwise_core.rollout.gates import Gate, GateReport, gates, holding, missing
from tierwise_core.rollout.moves import begin_serving, enter, go, promote, roll_back
from tierwise_core.rollout.situation import Action, Plan, Seen, Standing, Wish
from tierwise_core.rollout.stages import Stage

__all__ = ["asked", "examined", "pending", "training"]


def pending(wish: Wish, standing: Standing, seen: Seen) -> Plan:
    """Start green, and wait until it serves."""
    if seen.training:
        return go(standing, Stage.TRAINING, "Training", f"the candidate is made: {seen.training}")
    if seen.no_room:
        return Plan(standing, waits_for=seen.no_room)
    if not seen.green_ready:
        return Plan(standing, (Action.START_GREEN,), waits_for="green to serve")
    if seen.benchmark.state == seen.safety.state == "Missing":
        return _begin(wish, standing, seen, "there is no benchmark and no safety set to pass")
    why = "green serves; nobody is sent to it before it has been examined"
    return go(standing, Stage.BENCHMARK, "GreenReady", why, Action.RUN_BENCHMARK)


def training(_: Wish, standing: Standing, seen: Seen) -> Plan:
    """Wait for the training to end."""
    if seen.training:
        return Plan(standing, waits_for=seen.training)
    why = "the training has ended, and made a candidate"
    return go(standing, Stage.PENDING, "Trained", why)


def examined(wish: Wish, standing: Standing, seen: Seen) -> Plan:
    """What benchmark and safety set say; a loss of safety is for a person to judge."""
    counts = Gate.QUALITY_FLOOR not in wish.skipped
    if seen.benchmark.loses and counts:
        why = seen.benchmark.why
        return roll_back(standing, Stage.ROLLED_BACK, "BenchmarkRegression", why)
    if seen.safety.loses:
        return Plan(standing, waits_for=f"promote or abort: {seen.safety.why}")
    sets = (("benchmark", seen.benchmark), ("safety set", seen.safety))
    for name, one in sets if counts else sets[1:]:
        if one.state == "Unreadable":
            return Plan(standing, waits_for=f"a {name} that can be read: {one.why}")
        if one.state == "Running":
            return Plan(standing, (Action.RUN_BENCHMARK,), waits_for=f"the {name}")
    return _begin(wish, standing, seen, seen.benchmark.why or "nothing was lost")


def asked(wish: Wish, seen: Seen) -> tuple[GateReport, ...]:
    """Ask the gates; none where nobody has looked at what they ask about."""
    if seen.facts is None:
        return ()
    facts = replace(seen.facts, benchmark=seen.benchmark, deadline=wish.deadline_s is not None)
    return gates(facts, wish.skipped, wish.strategy)


def _begin(wish: Wish, standing: Standing, seen: Seen, why: str) -> Plan:
    """Begin as the strategy says, unless a gate holds."""
    reports = asked(wish, seen)
    if held := holding(reports):
        told = "; ".join(f"{one.gate.value}: {one.why}" for one in held)
        return Plan(standing, waits_for=f"its gates, or skipGates to name them: {told}")
    why = f"{why}{_open(reports)}"
    standing = replace(standing, began=standing.at)  # who waited for room has its whole deadline
    match wish.strategy:
        case "BlueGreen":
            return promote(standing, "BlueGreen", why)
        case "Shadow":
            return _listen(wish, standing, why)
        case "Stages":
            fresh = replace(standing, evidence=standing.evidence.afresh(standing.at))
            return enter(wish, fresh, 0, "Examined", why)
        case "Utility":
            return begin_serving(wish, standing, "Examined", why)


def _listen(wish: Wish, standing: Standing, why: str) -> Plan:
    return go(
        standing,
        Stage.SHADOW,
        "Examined",
        why,
        evidence=standing.evidence.afresh(standing.at),
        shadow_percent=wish.shadow_percent,
    )


def _open(reports: tuple[GateReport, ...]) -> str:
    """Tell the gates that nobody waited for."""
    skipped = [one.gate.value for one in reports if one.state == "Skipped"]
    lacking = [one.gate.value for one in missing(reports)]
    told = "; skipped by name: " + ", ".join(skipped) if skipped else ""
    return told + ("; without: " + ", ".join(lacking) if lacking else "")
