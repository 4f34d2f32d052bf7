"""Whole rollouts as the API server shows them: the real machine, played on made-up answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tierwise_api import API_VERSION
from tierwise_core.kstatus import rollout_health
from tierwise_core.rollout.evidence import Evidence, Yardstick
from tierwise_core.rollout.forecast import forecast
from tierwise_core.rollout.machine import decide
from tierwise_core.rollout.memory import remembered
from tierwise_core.rollout.samples import SideSample, WindowSample
from tierwise_core.rollout.situation import Plan, Seen, Standing, Wish, first_standing
from tierwise_core.rollout.stages import FINAL, Stage
from tierwise_core.rollout.trial import Scenario, Verdict, play

BEGAN = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
SIDES = {
    "blue": {
        "model": {"source": "hf://acme/sorter", "revision": "v1"},
        "revisions": ["sorter-7c41d09a"],
    },
    "green": {
        "model": {"source": "hf://acme/sorter", "revision": "v2"},
        "revisions": ["sorter-b2e85f13"],
    },
}
YARDSTICK = Yardstick(0.025, 1.5, 20, 10)
Body = dict[str, Any]


def a_run(
    green: float = 0.95, *, blue: float = 0.85, seed: int = 3, wish: Wish | None = None
) -> list[Body]:
    """A rollout from its first look to its last, as `watch --output json` prints it."""
    recorder = Recorder(wish or Wish(yardstick=YARDSTICK, on_inconclusive="Promote"))
    chance = Random(seed).random  # noqa: S311 - chance, not a secret
    play(recorder, Scenario(blue=blue, green=green, window=40), chance)
    return recorder.bodies


@dataclass
class Recorder:
    """A rule that writes down what it decides."""

    wish: Wish
    standing: Standing = field(default_factory=lambda: first_standing(0.0))
    trajectory: list[Body] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._take(Seen(), 0.0)
        self._take(Seen(green_ready=True), 4.0)

    @property
    def percent(self) -> float:
        return self.standing.percent

    def look(self, window: WindowSample) -> Verdict:
        shifted = WindowSample(window.since + 10, window.until + 10, window.blue, window.green)
        self._take(Seen(green_ready=True, windows=(shifted,), routed_percent=0), shifted.until)
        stage = self.standing.stage
        if stage not in FINAL:
            return "open"
        return "promoted" if stage is Stage.COMPLETE else "rolled back"

    def _take(self, seen: Seen, now: float) -> None:
        before = self.standing
        plan = decide(self.wish, before, seen, now)
        self.standing = plan.standing
        moved = before.stage is not self.standing.stage
        if moved or before.percent != self.standing.percent or not self.bodies:
            self.trajectory.append(
                {
                    "time": _at(now),
                    "stage": self.standing.stage.value,
                    "greenPercent": self.standing.percent,
                    "reason": self.standing.why if moved else plan.waits_for,
                }
            )
        self.bodies.append(a_rollout(self._status(plan)))

    def _status(self, plan: Plan) -> Body:
        standing = self.standing
        evidence = standing.evidence
        ahead = forecast(self.wish.yardstick, evidence.baseline.variance)
        status: Body = {
            "observedGeneration": 1,
            "stage": standing.stage.value,
            "weights": {"green": standing.percent, "blue": standing.blue_percent},
            "appliedPercent": standing.percent,
            "waitsFor": plan.waits_for,
            "sides": SIDES,
            "windows": {
                "blue": _window(evidence, evidence.blue),
                "green": _window(evidence, evidence.green),
            },
            "trajectory": list(self.trajectory),
            "trigger": {"reason": "ModelChanged", "message": "spec.model changed"},
            "forecast": {"message": ahead.told(14_400)},
            "memory": json.dumps(remembered(standing), separators=(",", ":")),
            "conditions": [
                {"type": one.type, "status": one.status, "reason": one.reason}
                for one in rollout_health(
                    standing.stage, standing.reason, standing.why, plan.waits_for
                )
            ],
        }
        if standing.stage in {Stage.PROMOTED, *FINAL}:
            outcome = "Promoted" if standing.percent else "RolledBack"
            status["verdict"] = {
                "outcome": outcome, "reason": standing.reason, "message": standing.why,
                "time": _at(standing.since),
            }  # fmt: skip
        return status


def a_rollout(status: Body, name: str = "sorter-b2e85f13", **spec: Any) -> Body:
    """A Rollout of the Specialist ``sorter`` with a status."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "metadata": {
            "name": name,
            "namespace": "default",
            "creationTimestamp": _at(0),
            "resourceVersion": "7",
        },
        "spec": {
            "specialistRef": {"name": "sorter"},
            "candidate": {"model": SIDES["green"]["model"]},
            **spec,
        },
        "status": status,
    }


def _at(seconds: float) -> str:
    moment = BEGAN + timedelta(seconds=seconds)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _window(evidence: Evidence, side: SideSample) -> Body:
    if not side.judged:
        return {}
    mean = side.mean or 0.0
    spread = 1.96 * (evidence.known(side).variance / side.judged) ** 0.5
    return {
        "interactions": side.judged,
        "requests": side.requests,
        "utility": mean,
        "utilityLow": mean - spread,
        "utilityHigh": mean + spread,
        "acceptedRate": side.accepted / side.verdicts if side.verdicts else None,
    }
