"""``Specialist.status.scaling``: what the autoscaler publishes, and reads after a restart."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tierwise_core.children import Child
from tierwise_core.load_history import Look
from tierwise_core.plan import Announce
from tierwise_core.scaling_policy import ScalingPolicy

NOTABLE_SHARE = 0.2
"""Figures are published anew when one differs by a fifth; less is not worth a write."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The load as people see it."""

    in_flight: int = 0
    waiting: int = 0
    tokens_per_second: float = 0.0

    @classmethod
    def of(cls, look: Look | None) -> "Figures":
        """Return the figures of a look; requests that routers hold wait, too.

        >>> Figures.of(Look(0.0, in_flight=5, waiting=1, held=2, tokens_per_second=81.27))
        Figures(in_flight=5, waiting=3, tokens_per_second=81.3)
        """
        if look is None:
            return cls()
        tokens = round(look.tokens_per_second or 0.0, 1)
        return cls(look.in_flight, look.waiting + look.held, tokens)

    def differs(self, other: "Figures") -> bool:
        """Say whether the difference is worth a write.

        >>> Figures(100, 0, 900.0).differs(Figures(95, 0, 850.0)), Figures(1).differs(Figures(0))
        (False, True)
        """
        pairs = (
            (self.in_flight, other.in_flight),
            (self.waiting, other.waiting),
            (self.tokens_per_second, other.tokens_per_second),
        )
        return any(abs(a - b) > NOTABLE_SHARE * max(a, b) for a, b in pairs)


def scaling_status(
    replicas: int, reason: str, figures: Figures, changed_at: datetime | None, policy: ScalingPolicy
) -> dict[str, Any]:
    """Return ``status.scaling`` in wire form."""
    status: dict[str, Any] = {
        "desiredReplicas": replicas,
        "reason": reason,
        "inFlightRequests": figures.in_flight,
        "waitingRequests": figures.waiting,
        "tokensPerSecond": figures.tokens_per_second,
        "asleep": policy.sleeps and replicas == 0,
    }
    if changed_at is not None:
        moment = changed_at.astimezone(UTC).isoformat(timespec="seconds")
        status["lastScaleTime"] = moment.replace("+00:00", "Z")
    return status


@dataclass(frozen=True, slots=True)
class Published:
    """What the status says of the number: an operator that starts says the same until it knows."""

    reason: str
    changed_at: datetime | None
    figures: Figures


def published(status: Mapping[str, Any]) -> Published:
    """Read ``status.scaling``; what is not there, or is not ours, is nothing.

    >>> published({"scaling": {"reason": "busy", "lastScaleTime": "2026-03-01T12:00:00Z"}})
    ... # doctest: +ELLIPSIS
    Published(reason='busy', changed_at=datetime.datetime(2026, 3, 1, 12, 0, ...
    """
    said = status.get("scaling") or {}
    try:
        changed_at = datetime.fromisoformat(said["lastScaleTime"])
    except (KeyError, TypeError, ValueError):
        changed_at = None
    figures = Figures(
        said.get("inFlightRequests") or 0,
        said.get("waitingRequests") or 0,
        said.get("tokensPerSecond") or 0.0,
    )
    return Published(said.get("reason") or "nothing is known of the load yet", changed_at, figures)


def first_replicas(
    policy: ScalingPolicy, status: Mapping[str, Any], deployments: Iterable[Child]
) -> int:
    """Return how many replicas to begin with, after a start of the operator or a change of spec.

    What was published, or what runs if that is more: an operator that died between two writes must
    not take away what it had just asked for. One edition may run on several tiers at a time.

    >>> first_replicas(ScalingPolicy(1, 5, 6.4), {"scaling": {"desiredReplicas": 3}}, ())
    3
    >>> first_replicas(ScalingPolicy(0, 5, 6.4), {}, ())
    0
    """
    published = (status.get("scaling") or {}).get("desiredReplicas")
    known = published if isinstance(published, int) else 0
    running: Counter[str] = Counter()
    for child in deployments:
        running[child.edition] += 0 if child.deleting else child.replicas
    return policy.bounded(max(known, *running.values(), 0))


def rescaled(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Announce, ...]:
    """Return the Event of a change of the number wanted.

    >>> rescaled({"scaling": {"desiredReplicas": 1}}, {"scaling": {"desiredReplicas": 0}})[0].reason
    'FellAsleep'
    """
    old, new = (status.get("scaling") or {} for status in (before, after))
    was, now = old.get("desiredReplicas"), new.get("desiredReplicas")
    if was is None or now is None or was == now:
        return ()
    reason = "Woken" if not was else "FellAsleep" if not now else "Scaled"
    message = f"from {was} to {now} replicas: {new.get('reason', '')}"
    return (Announce("Normal", reason, message),)
