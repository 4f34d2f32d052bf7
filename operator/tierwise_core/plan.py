"""What a decision asks the shell to do: typed actions, each with its reason in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tierwise_core.conditions import Condition

ChildKind = Literal["Deployment", "Service", "LeaderWorkerSet", "Rollout"]
EventType = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply this manifest, because it is missing or differs."""

    kind: ChildKind
    namespace: str
    name: str
    manifest: Mapping[str, Any]
    exists: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete this child; ``uid`` guards against deleting a successor of the same name."""

    kind: ChildKind
    namespace: str
    name: str
    uid: str
    reason: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Change the number of replicas and nothing else, of a child that is not wanted any more."""

    kind: ChildKind
    namespace: str
    name: str
    replicas: int
    reason: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Tell Kubernetes by a cost which of a Deployment's pods goes first; 0 takes the mark away."""

    namespace: str
    name: str
    uid: str
    cost: int
    reason: str
    kind: Literal["Pod"] = "Pod"


@dataclass(frozen=True, slots=True)
class PublishStatus:
    """Server-side apply this status."""

    kind: Literal["Specialist", "GPUTier", "Rollout"]
    namespace: str
    name: str
    status: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell people with a Kubernetes Event."""

    type: EventType
    reason: str
    message: str


Action = Apply | Delete | Scale | Mark


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one pass does, in order: children, then the status, then Events.

    ``recheck_seconds`` asks for another look although nothing may change meanwhile.
    """

    actions: tuple[Action, ...] = ()
    status: PublishStatus | None = None
    events: tuple[Announce, ...] = ()
    conditions: tuple[Condition, ...] = ()
    recheck_seconds: float | None = None

    @property
    def converged(self) -> bool:
        """Whether there is nothing to write."""
        return not self.actions and self.status is None
