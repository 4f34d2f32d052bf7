"""Status conditions: verdicts in, ``metav1.Condition`` out, transition times that mean something.

A decision produces verdicts (type, status, reason, message). Merging them with the conditions the
object already carries keeps ``lastTransitionTime`` still while the status is unchanged, so that a
condition's age is the age of the fact and an unchanged status is never written again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Status = Literal["True", "False", "Unknown"]

TRUE: Status = "True"
FALSE: Status = "False"
UNKNOWN: Status = "Unknown"

MESSAGE_LIMIT = 32_768  # metav1.Condition rejects longer messages

BROKEN = frozenset(
    {
        "CacheCorrupt",
        "CacheFull",
        "CacheUnusable",
        "CrashLoop",
        "ImagePullFailed",
        "ContainerError",
        "InternalError",
        "InvalidSpec",
        "LoadFailed",
        "NoTierFits",
        "ParentCycle",
        "ParentNotFound",
        "SourceNotFound",
        "SourceUnauthorized",
        "SourceUnreadable",
        "UnknownArchitecture",
        "UnknownTier",
        "UnsupportedSource",
    }
)
"""Reasons that waiting does not mend: somebody has to change something."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one look at an object concluded about one aspect of it.

    ``message`` is for people: it names the field, the value, and what would be right.
    """

    type: str
    status: Status
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A ``metav1.Condition``; ``last_transition_time`` is RFC 3339 in UTC."""

    type: str
    status: Status
    reason: str
    message: str
    observed_generation: int
    last_transition_time: str

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {
            "type": self.type,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "observedGeneration": self.observed_generation,
            "lastTransitionTime": self.last_transition_time,
        }


def rfc3339(moment: datetime) -> str:
    """Return a moment the way Kubernetes writes it, in whole seconds of UTC.

    >>> rfc3339(datetime(2026, 3, 1, 12, 30, 5, 900, tzinfo=UTC))
    '2026-03-01T12:30:05Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text: str) -> datetime | None:
    """Return the moment a Kubernetes timestamp names, or None when it is not one.

    >>> parse_rfc3339("2026-03-01T12:30:05Z").minute
    30
    >>> parse_rfc3339("yesterday") is None
    True
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_conditions(status: Mapping[str, Any]) -> dict[str, Condition]:
    """Return the conditions of a status by type; entries that are not conditions are dropped."""
    return {
        condition.type: condition
        for raw in status.get("conditions") or ()
        if isinstance(raw, Mapping) and (condition := _read(raw)) is not None
    }


def _read(raw: Mapping[str, Any]) -> Condition | None:
    status = raw.get("status")
    if not raw.get("type") or status not in {TRUE, FALSE, UNKNOWN}:
        return None
    return Condition(
        type=str(raw["type"]),
        status=status,
        reason=str(raw.get("reason", "")),
        message=str(raw.get("message", "")),
        observed_generation=int(raw.get("observedGeneration") or 0),
        last_transition_time=str(raw.get("lastTransitionTime", "")),
    )


def merge(
    previous: Mapping[str, Condition],
    verdicts: Iterable[Verdict],
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """Return the conditions to publish: transition times move only where the status moved."""
    return tuple(_stamp(previous.get(v.type), v, generation, now) for v in verdicts)


def _stamp(old: Condition | None, verdict: Verdict, generation: int, now: datetime) -> Condition:
    unmoved = old is not None and old.status == verdict.status and old.last_transition_time
    return Condition(
        type=verdict.type,
        status=verdict.status,
        reason=verdict.reason,
        message=clip(verdict.message),
        observed_generation=generation,
        last_transition_time=old.last_transition_time if old and unmoved else rfc3339(now),
    )


def clip(message: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return the message cut to what the API server accepts.

    >>> clip("abcdef", 4)
    'abc…'
    """
    return message if len(message) <= limit else message[: limit - 1] + "…"


def aggregate(verdicts: Sequence[Verdict], ready_message: str) -> Verdict:
    """Return ``Ready``: the first verdict that is not True speaks, False before Unknown.

    >>> sized = Verdict("Sized", TRUE, "MetadataRead", "read")
    >>> placed = Verdict("Placed", FALSE, "NoTierFits", "needs 80 GiB")
    >>> aggregate([sized, placed], "serves").reason
    'NoTierFits'
    >>> aggregate([sized], "serves").reason
    'Ready'
    """
    for status in (FALSE, UNKNOWN):
        for verdict in verdicts:
            if verdict.status == status:
                return Verdict(
                    "Ready", status, verdict.reason, f"{verdict.type}: {verdict.message}"
                )
    return Verdict("Ready", TRUE, "Ready", ready_message)


@dataclass(frozen=True, slots=True)
class Transition:
    """A condition that became something else: worth an Event, once."""

    before: Condition | None
    after: Condition


def transitions(
    previous: Mapping[str, Condition], current: Iterable[Condition]
) -> tuple[Transition, ...]:
    """Return the conditions whose status or reason changed; a new message alone is no news."""
    return tuple(
        Transition(old, new)
        for new in current
        if (old := previous.get(new.type)) is None
        or (old.status, old.reason) != (new.status, new.reason)
    )
