"""What a pass over a Rollout sees: both sides, the ledger, the routers, the examinations."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tierwise_core.conditions import clip, rfc3339
from tierwise_core.field_profiles import FieldJudgement
from tierwise_core.rollout.clearance import lacking
from tierwise_core.rollout.counted import Counted, SideCount, baseline
from tierwise_core.rollout.evidence import Baseline
from tierwise_core.rollout.gates import GateFacts
from tierwise_core.rollout.green_state import GreenState
from tierwise_core.rollout.lineup import lineup
from tierwise_core.rollout.order import Making, Order
from tierwise_core.rollout.outlook import outlook
from tierwise_core.rollout.samples import WindowSample
from tierwise_core.rollout.situation import Plan, Seen, Standing, Wish, first_standing
from tierwise_core.rollout.stages import Stage
from tierwise_core.rollout.tally import Tally, counts
from tierwise_core.specialist import Specialist
from tierwise_operator.examining.examiner import Examined
from tierwise_operator.rolling.inquiries import Answer, Silent
from tierwise_operator.rolling.ledger import FailuresOf, SumsOf
from tierwise_operator.rolling.means import Means

DAY_S = 86_400.0
HOUR_S = 3600.0
HOURS = 24.0
KEEPS_TRYING_S = 600.0
MESSAGE = 4096
NOT_TOLD = "the operator was not told of a ledger (--ledger-url)"

EARLY = frozenset({Stage.PENDING, Stage.TRAINING, Stage.BENCHMARK})


@dataclass(frozen=True, slots=True)
class Scene:
    """What a pass begins with.

    ``applied`` is green's share that all routers said they apply; ``specialist`` None where it does
    not exist any more. ``now`` is in seconds since the epoch.
    """

    order: Order
    wish: Wish
    judgement: FieldJudgement
    state: GreenState
    specialist: Specialist | None
    now: float
    applied: int | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen, and what of it the status keeps.

    ``silent`` says why the ledger gives no answer, and ``asking`` that its first is awaited; then
    nothing that rests on it is news. ``tally`` is None while nothing is counted.
    """

    scene: Scene
    standing: Standing
    seen: Seen
    sides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    forecast: Mapping[str, Any] = field(default_factory=dict)
    tally: Tally | None = None
    examined: Examined = field(default_factory=Examined)
    silent: str = ""
    failures: int | None = None
    asking: bool = False

    def kept(self, plan: Plan) -> dict[str, Any]:
        """Return what the status keeps beside the plan, in its wire form."""
        standing, tally = plan.standing, self.tally
        if counts(standing):
            feedback = not standing.shadow_percent
            begun = Tally.begin(self.scene.now, feedback=feedback)
            tally = begun if tally is None else tally.hearing(feedback=feedback)
        return {
            "sides": self.sides,
            "shadowPercent": standing.shadow_percent or None,
            "forecast": self.forecast,
            "sums": tally.to_json() if tally is not None else None,
            "benchmark": self.examined.benchmark_status,
            "safety": self.examined.safety_status,
            "failuresKept": self.failures,
            "gates": self._gates(plan),
            "signals": [
                {
                    "name": told.signal.value,
                    "since": rfc3339(datetime.fromtimestamp(told.since, UTC)),
                    "message": clip(told.why, MESSAGE),
                }
                for told in plan.signals
            ],
        }

    def _gates(self, plan: Plan) -> Any:
        """Return how the gates stand; after the ramp's beginning, how they stood."""
        if not plan.gates:
            return self.scene.order.status.get("gates")
        return [
            {"name": told.gate.value, "state": told.state, "message": clip(told.why, MESSAGE)}
            for told in plan.gates
        ]


def sight(scene: Scene, means: Means) -> Sight:
    """Return what is seen now; whatever is not known yet is asked for."""
    sides = lineup(scene.order, scene.state, scene.specialist)
    examined = means.examiner.examine(scene.order, scene.state)
    standing = scene.order.standing or first_standing(scene.now)
    history = _history(scene, standing, sides, means)
    if standing.stage in EARLY and not standing.evidence.windows:
        known = _known(history, scene.judgement)
        if known is not None:
            standing = replace(standing, evidence=replace(standing.evidence, baseline=known))
    tally, windows, silent = _windows(scene, standing, sides, means)
    failures, kept = _failures(scene, standing, sides, tally, means)
    early = standing.stage in EARLY
    seen = Seen(
        green_ready=scene.state.ready,
        green_fault=scene.state.fault,
        refused=_refused(scene),
        no_room=scene.state.no_room,
        benchmark=examined.benchmark,
        safety=examined.safety,
        training=_training(scene.order.making),
        untrained=scene.order.making.problem if scene.order.making else "",
        superseded=scene.state.superseded,
        windows=windows,
        routed_percent=scene.applied,
        failures_kept=kept,
        facts=_facts(scene, examined, history, means) if early else None,
    )
    unknown = early and history is None and means.has_ledger and bool(sides["blue"]["revisions"])
    return Sight(
        scene,
        standing,
        seen,
        sides,
        _forecast(scene, standing, history, unknown=unknown),
        tally,
        examined,
        silent,
        failures,
        asking=unknown or (windows is None and not silent),
    )


def _training(making: Making | None) -> str:
    """Say how far the training is; empty where no candidate is awaited."""
    if making is None or making.problem:
        return ""
    return making.message or f"Job {making.job}"


def _refused(scene: Scene) -> str:
    if scene.specialist is None:
        return f"the Specialist {scene.order.specialist_key} has been deleted"
    if scene.specialist.model is None and scene.specialist.external is not None:
        return (
            f"the Specialist {scene.specialist.name} is an external endpoint: "
            "a rollout needs one whose model tierwise runs (spec.model)"
        )
    return scene.state.refused


def _revisions(sides: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(sides["blue"]["revisions"]), tuple(sides["green"]["revisions"])


History = Answer[Counted] | Silent | None


def _history(
    scene: Scene, standing: Standing, sides: Mapping[str, Mapping[str, Any]], means: Means
) -> History:
    """Ask for blue's last day before green's first answer: what a forecast needs."""
    if standing.stage not in EARLY or not means.has_ledger:
        return None
    blue, _ = _revisions(sides)
    if not blue:
        return None
    # The same question from pass to pass, and again with every hour that there is no room.
    asked = SumsOf(scene.order.specialist_key, blue, (), scene.now // HOUR_S * HOUR_S - DAY_S)
    return means.history.about(scene.order.key, asked)


def _known(history: History, judgement: FieldJudgement) -> Baseline | None:
    return baseline(history.said.blue, judgement) if isinstance(history, Answer) else None


def _forecast(
    scene: Scene, standing: Standing, history: History, *, unknown: bool
) -> Mapping[str, Any]:
    """Return the forecast, told once blue's last day is known, or that nobody can say it."""
    told = scene.order.status.get("forecast") or {}
    if standing.stage not in EARLY or unknown or (told and not isinstance(history, Answer)):
        return told
    blue = history.said.blue if isinstance(history, Answer) else SideCount()
    known = baseline(blue, scene.judgement)
    per_hour = blue.window.judged / HOURS if known is not None else None
    return outlook(scene.wish, known, per_hour)


def _windows(
    scene: Scene, standing: Standing, sides: Mapping[str, Mapping[str, Any]], means: Means
) -> tuple[Tally | None, tuple[WindowSample, ...] | None, str]:
    """Return the tally, what the ledger adds (None while it is silent), and why it is silent."""
    tally = Tally.read(scene.order.status.get("sums"))
    blue, green = _revisions(sides)
    if not counts(standing):
        return tally, (), ""
    if not means.has_ledger and standing.stage is Stage.PROMOTED:
        return tally, (), ""  # nobody will ever say anything: the cooldown is just a time
    if not means.has_ledger:
        return tally, None, NOT_TOLD
    if tally is None:  # somebody has emptied the status: count from here on
        feedback = not standing.shadow_percent
        tally = replace(Tally.begin(scene.now, feedback=feedback), fresh=bool(green))
    if not (blue and green):
        return tally, None, "no pod of both sides has been seen yet"
    asked = SumsOf(
        scene.order.specialist_key,
        blue,
        green,
        tally.since,
        tally.feedback,
        tally.counted.latency_until or tally.at or None,
    )
    answer = means.sums.about(scene.order.key, asked)
    if not isinstance(answer, Answer):
        return tally, None, answer.why if answer is not None else ""
    tally, added = tally.count(answer.said, standing, scene.now, scene.judgement)
    return tally, (added.window,) if added.window is not None else (), ""


def _failures(
    scene: Scene,
    standing: Standing,
    sides: Mapping[str, Mapping[str, Any]],
    tally: Tally | None,
    means: Means,
) -> tuple[int | None, bool]:
    """Have green's failures kept on the way back; return how many, and whether that is settled.

    Without a ledger there is nothing to keep. One that stays silent does not hold green's GPUs for
    ever: its records stay, and the Rollout tells that nothing was kept.
    """
    kept = scene.order.status.get("failuresKept")
    if standing.stage is not Stage.ROLLING_BACK:
        return kept, True
    _, green = _revisions(sides)
    if kept is not None or tally is None or not green or not means.has_ledger:
        return kept, True
    asked = FailuresOf(
        scene.order.key,
        scene.order.specialist_key,
        green,
        tally.since,
        clip(f"{standing.reason}: {standing.why}", 1000),
    )
    answer = means.failures.about(scene.order.key, asked)
    if isinstance(answer, Answer):
        return answer.said, True
    return None, scene.now - standing.since > KEEPS_TRYING_S


def _facts(scene: Scene, examined: Examined, history: History, means: Means) -> GateFacts:
    """Return what the gates ask about."""
    blue = history.said.blue if isinstance(history, Answer) else SideCount()
    return GateFacts(
        benchmark_questions=examined.questions,
        cost_measured=bool(blue.cost_usd and blue.window.accepted),
        no_ledger="" if isinstance(history, Answer) else _no_ledger(history, means),
        blue_stays=scene.state.blue_stays,
        clearance_asked=scene.wish.clearance.asks,
        clearance_missing=_lacking(scene),
    )


def _no_ledger(history: History, means: Means) -> str:
    """Say why the ledger has told nothing of blue before green's first answer."""
    if not means.has_ledger:
        return NOT_TOLD
    if isinstance(history, Silent):
        return f"the ledger gives no answer: {history.why}"
    return "the ledger has not been heard yet"


def _lacking(scene: Scene) -> tuple[str, ...]:
    """Return what the field asks of a candidate and is not there."""
    if scene.specialist is None or scene.order.candidate is None:
        return ()
    return lacking(scene.wish.clearance, scene.specialist, scene.order.candidate)
