"""Rollouts as they are observed, and which of several counts for a Specialist."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tierwise_core.rollout.memory import recalled
from tierwise_core.rollout.situation import Plan, Standing, Transition, Wish
from tierwise_core.rollout.stages import FINAL, Stage
from tierwise_core.specialist import ModelSpec

__all__ = [
    "APPLIED",
    "MODEL_CHANGED",
    "TRIGGER",
    "TRIGGER_MESSAGE",
    "Making",
    "Order",
    "abandoned",
    "current",
    "standing_of",
]

TRIGGER: Final = "tierwise.dev/trigger"
"""Annotation: what started the Rollout, one CamelCase word; a person who applied it needs none."""
TRIGGER_MESSAGE: Final = "tierwise.dev/trigger-message"
APPLIED: Final = "Applied"
MODEL_CHANGED: Final = "ModelChanged"


@dataclass(frozen=True, slots=True)
class Making:
    """The training of a candidate: its Job, how far that is, and why it made nothing."""

    job: str
    message: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """One Rollout as last observed.

    ``candidate`` is the model it tries, None while that is being made, and where ``invalid`` says
    why the spec could not be read.
    ``making`` is how the candidate is made where a Job makes it. ``wish`` is what its strategy asks
    for. ``standing`` is where it stands, None before its first pass. ``spec`` and ``status`` are in
    their wire form, ``created`` is metadata's, in RFC 3339.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    specialist_key: str
    candidate: ModelSpec | None = None
    making: Making | None = None
    wish: Wish = field(default_factory=Wish)
    standing: Standing | None = field(default=None, compare=False)
    created: str = ""
    deleting: bool = False
    invalid: str | None = None
    trigger: str = APPLIED
    trigger_message: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def stage(self) -> Stage:
        """Its stage; Pending before its first pass."""
        return self.standing.stage if self.standing is not None else Stage.PENDING

    @property
    def percent(self) -> int:
        """Green's share of the traffic, in percent."""
        return self.standing.percent if self.standing is not None else 0

    @property
    def ended(self) -> bool:
        """Whether nothing follows any more."""
        return self.stage in FINAL

    @property
    def promoted(self) -> bool:
        """Whether the candidate serves everybody: in the cooldown, or for good."""
        return self.stage in {Stage.PROMOTED, Stage.COMPLETE}


def current(orders: Iterable[Order]) -> Order | None:
    """Return the one of a Specialist's Rollouts that counts: the oldest that has not ended.

    One that has begun comes before any that has not, so that what a clock says of two objects can
    never hand over in the middle. The others wait; one that cannot be read stops nobody.

    >>> one = Order("ai", "one", "u1", 1, "ai/sorter", created="2026-01-01T10:00:00Z")
    >>> two = Order("ai", "two", "u2", 1, "ai/sorter", created="2026-01-01T11:00:00Z")
    >>> current([two, one]).name, current([]) is None
    ('one', True)
    """
    alive = [one for one in orders if not (one.ended or one.deleting or one.invalid)]
    return min(alive, key=_age, default=None)


def _age(order: Order) -> tuple[bool, str, str]:
    begun = order.standing is not None and order.standing.stage is not Stage.PENDING
    return not begun, order.created, order.name


def abandoned(standing: Standing, now: float, why: str) -> Plan:
    """Return the way back of a Rollout whose Specialist is gone, whatever it had come to.

    >>> plan = abandoned(Standing(Stage.PROMOTED, 100), 9.0, "there is no Specialist ai/sorter")
    >>> plan.standing.stage.value, plan.standing.percent, plan.standing.reason
    ('RollingBack', 0, 'SpecialistDeleted')
    """
    back = replace(
        standing,
        stage=Stage.ROLLING_BACK,
        percent=0,
        shadow_percent=0,
        since=now,
        at=max(now, standing.at),
        before=None,
        ends=Stage.ABORTED,
        reason="SpecialistDeleted",
        why=why,
    )
    moved = Transition(standing.stage, back.stage, back.reason, why)
    return Plan(back, transitions=(moved,))


def standing_of(status: Mapping[str, Any]) -> Standing | None:
    """Read where a Rollout stands out of its status; None before it has begun.

    A memory that cannot be read, since somebody edited it, costs the evidence and not the stage:

    >>> standing_of({}) is None
    True
    >>> kept = standing_of({"stage": "Shifting", "weights": {"green": 40}, "memory": "{"})
    >>> kept.stage.value, kept.percent, kept.evidence.windows
    ('Shifting', 40, 0)
    """
    try:
        return recalled(json.loads(status["memory"]))
    except (KeyError, TypeError, ValueError):
        return _from_words(status)


def _from_words(status: Mapping[str, Any]) -> Standing | None:
    try:
        stage = Stage(status["stage"])
    except (KeyError, ValueError):
        return None
    if stage is Stage.PENDING:  # it waits for another, or for its Specialist, and has not begun
        return None
    # What a pause interrupted is not among the words: begin again, with nobody on green.
    if stage is Stage.PAUSED:
        return Standing(stage, before=Stage.PENDING)
    percent = int((status.get("weights") or {}).get("green") or 0)
    return Standing(stage, percent=percent)
