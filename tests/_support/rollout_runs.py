"""Whole rollouts as the API server shows them: the real machine, played on made-up answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from tierwise_api import API_VERSION
from tierwise_core.rollout.evidence import Yardstick
from tierwise_core.rollout.forecast import forecast
from tierwise_core.rollout.machine import decide
from tierwise_core.rollout.order import MODEL_CHANGED, Order
from tierwise_core.rollout.report import Told, status_of
from tierwise_core.rollout.samples import WindowSample
from tierwise_core.rollout.situation import Seen, Standing, Wish, first_standing
from tierwise_core.rollout.stages import FINAL, Stage
from tierwise_core.rollout.trial import Scenario, Verdict, play

BEGAN = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
START = BEGAN.timestamp()
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
    standing: Standing = field(default_factory=lambda: first_standing(START))
    bodies: list[Body] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._take(Seen(), START)
        self._take(Seen(green_ready=True), START + 4)

    @property
    def percent(self) -> float:
        return self.standing.percent

    @property
    def shadow_percent(self) -> float:
        return self.standing.shadow_percent

    def look(self, window: WindowSample) -> Verdict:
        since, until = (START + 10 + edge for edge in (window.since, window.until))
        shifted = WindowSample(since, until, window.blue, window.green)
        self._take(Seen(green_ready=True, windows=(shifted,), routed_percent=0), shifted.until)
        stage = self.standing.stage
        if stage not in FINAL:
            return "open"
        return "promoted" if stage is Stage.COMPLETE else "rolled back"

    def _take(self, seen: Seen, now: float) -> None:
        before = self.standing
        plan = decide(self.wish, before, seen, now)
        self.standing = plan.standing
        order = Order(
            "default", "sorter-b2e85f13", "r", 1, "default/sorter", standing=before,
            trigger=MODEL_CHANGED, status=self.bodies[-1]["status"] if self.bodies else {},
            trigger_message="spec.model of generation 2 is not the model that serves",
        )  # fmt: skip
        ahead = forecast(self.wish, plan.standing.evidence.baseline.variance)
        kept = {"sides": SIDES, "forecast": {"message": f"on average {ahead.told(14_400)}"}}
        percent = plan.standing.percent
        moment = datetime.fromtimestamp(now, UTC)
        status = status_of(order, plan, Told(percent, applied=percent, kept=kept), moment)
        self.bodies.append(a_rollout(status))


def a_rollout(status: Body, name: str = "sorter-b2e85f13", **spec: Any) -> Body:
    """A Rollout of the Specialist ``sorter`` with a status."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "metadata": {
            "name": name,
            "namespace": "default",
            "creationTimestamp": BEGAN.isoformat().replace("+00:00", "Z"),
            "resourceVersion": "7",
        },
        "spec": {
            "specialistRef": {"name": "sorter"},
            "candidate": {"model": SIDES["green"]["model"]},
            **spec,
        },
        "status": status,
    }
