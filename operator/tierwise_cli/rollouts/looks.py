"""One look at a Rollout: its object as the API server gives it, read for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import log
from typing import Any, Final

from pydantic import ValidationError

from tierwise_api.base import problems
from tierwise_api.rollout_status import RolloutStatus, RolloutWindow
from tierwise_cli.errors import CliError
from tierwise_core.rollout.judgement import Certainty
from tierwise_core.rollout.order import standing_of
from tierwise_core.rollout.stages import FINAL, Stage

__all__ = ["SERVES", "Evidence", "Look", "model_words", "row", "told_apart"]

SERVES: Final = frozenset({Stage.PROMOTED.value, Stage.COMPLETE.value})
_FINAL: Final = frozenset(stage.value for stage in FINAL)
Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far the two bets have come: 1 is what a verdict needs, below 0 is a bet that loses."""

    promotion: float
    rollback: float


@dataclass(frozen=True, slots=True)
class Look:
    """A Rollout at one moment.

    Attributes:
        body: The object as it came.
        status: Its status, read.
    """

    body: Object
    status: RolloutStatus

    @classmethod
    def at(cls, body: Object) -> Look:
        """Read an object; raises CliError naming what cannot be read."""
        try:
            return cls(body, RolloutStatus.model_validate(body.get("status") or {}))
        except ValidationError as error:
            raise CliError(
                f"the status of Rollout {body['metadata']['name']} cannot be read: "
                + "; ".join(problems(error)),
                fix="use the tierwise command of the operator's version: tierwise version",
            ) from error

    @property
    def name(self) -> str:
        """Its name, without the namespace."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.body["metadata"].get("namespace", "default"))

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def specialist(self) -> str:
        """The name of its Specialist."""
        return str(self.spec.get("specialistRef", {}).get("name", ""))

    @property
    def spec(self) -> Object:
        """Its spec, as it came."""
        found: Object = self.body.get("spec") or {}
        return found

    @property
    def stage(self) -> str:
        """Where it stands; Pending before the operator's first look."""
        return self.status.stage or Stage.PENDING.value

    @property
    def ended(self) -> bool:
        """Whether nothing follows any more."""
        return self.stage in _FINAL

    @property
    def serves(self) -> bool:
        """Whether the candidate serves everybody."""
        return self.stage in SERVES

    @property
    def green_percent(self) -> int:
        """Green's share of the traffic, in percent."""
        return self.status.weights.green if self.status.weights else 0

    @property
    def created(self) -> datetime | None:
        """When it was made."""
        text = self.body["metadata"].get("creationTimestamp")
        return datetime.fromisoformat(text).astimezone(UTC) if text else None

    @property
    def since(self) -> datetime | None:
        """When its stage began, as far as the trajectory tells."""
        found = None
        for point in reversed(self.status.trajectory):
            if point.stage is not None and point.stage != self.stage:
                break
            found = point.time
        return found or self.created

    @property
    def sides(self) -> tuple[tuple[str, RolloutWindow], ...]:
        """Blue's and green's window, by name; empty ones before there is any evidence."""
        windows = self.status.windows
        blue = windows.blue if windows else RolloutWindow()
        green = windows.green if windows else RolloutWindow()
        return (("blue", blue), ("green", green))

    @property
    def evidence(self) -> Evidence | None:
        """How far a promotion and a rollback are, None before anything was compared."""
        standing = standing_of({"memory": self.status.memory, "stage": self.stage})
        if standing is None or not (
            standing.evidence.blue.judged and standing.evidence.green.judged
        ):
            return None
        sure = Certainty()
        return Evidence(
            standing.evidence.not_worse_log / log(1 / sure.promote_worse),
            standing.evidence.worse_log / log(1 / sure.reject_equal),
        )

    @property
    def models(self) -> tuple[str, str]:
        """Blue's and green's model in words."""
        sides = self.status.sides
        green = (sides.green.model if sides else None) or self.spec.get("candidate", {}).get(
            "model", {}
        )
        return told_apart((sides.blue.model if sides else None) or {}, green)

    @property
    def news(self) -> str:
        """The one thing to know now: the verdict, what is waited for, or the last step."""
        if self.status.verdict is not None:
            verdict = self.status.verdict
            return f"{verdict.reason}: {verdict.message}" if verdict.message else verdict.reason
        if self.status.waits_for:
            return f"waits for {self.status.waits_for}"
        return self.status.trajectory[-1].reason if self.status.trajectory else ""


def told_apart(blue: Object, green: Object) -> tuple[str, str]:
    """Both models in a line each; where source and revision are the same, by what is not.

    >>> told_apart({"source": "hf://a/b", "maxModelLen": 256}, {"source": "hf://a/b"})
    ('hf://a/b, maxModelLen 256', 'hf://a/b, maxModelLen unset')
    """
    words = model_words(blue), model_words(green)
    if words[0] != words[1]:
        return words
    others = [name for name in sorted({*blue, *green}) if blue.get(name) != green.get(name)]
    shown = [
        "".join(f", {name} {model.get(name, 'unset')}" for name in others)
        for model in (blue, green)
    ]
    return words[0] + shown[0], words[1] + shown[1]


def model_words(model: Object) -> str:
    """A model in one line.

    >>> model_words({"source": "hf://acme/sorter", "revision": "v2"})
    'hf://acme/sorter at v2'
    >>> model_words({"source": "hf://acme/s", "adapters": [{"name": "a", "source": "hf://acme/a"}]})
    'hf://acme/s with adapters a=hf://acme/a'
    """
    if not model.get("source"):
        return "unknown"
    words = str(model["source"])
    if model.get("revision"):
        words += f" at {model['revision']}"
    adapters = [f"{one['name']}={one.get('source', '')}" for one in model.get("adapters") or ()]
    return f"{words} with adapters {', '.join(adapters)}" if adapters else words


def row(look: Look) -> dict[str, Any]:
    """A Rollout's line for programs."""
    (_, blue), (_, green) = look.sides
    return {
        "name": look.key, "specialist": look.specialist, "stage": look.stage,
        "greenPercent": look.green_percent, "ended": look.ended,
        "utility": {"blue": blue.utility, "green": green.utility},
        "interactions": {"blue": blue.interactions, "green": green.interactions},
        "verdict": look.status.verdict.outcome if look.status.verdict else None,
        "waitsFor": look.status.waits_for or None, "news": look.news or None,
    }  # fmt: skip
