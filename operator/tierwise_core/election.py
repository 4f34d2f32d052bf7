"""Leader election by Lease, as a pure step: what a candidate does next, given what it sees.

The rules are those of Kubernetes' own components. A candidate never compares its clock with the
leader's: it notes when *it* first saw a record, and takes over when that record has not changed
for the record's whole duration.
"""

from dataclasses import dataclass, replace
from typing import Literal

Step = Literal["create", "take", "renew", "wait"]


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The spec of a Lease; times are the holder's own, as text, and only compared for change."""

    holder: str = ""
    duration_seconds: int = 15
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0


@dataclass(frozen=True, slots=True)
class Sighting:
    """A record and when this candidate first saw it, on its own clock."""

    record: LeaseRecord | None
    seen_at_seconds: float


def sight(previous: Sighting | None, record: LeaseRecord | None, now_seconds: float) -> Sighting:
    """Return the sighting of a record; the same record again keeps the time of the first one.

    >>> first = sight(None, LeaseRecord("a", renewed="1"), 10.0)
    >>> sight(first, LeaseRecord("a", renewed="1"), 20.0).seen_at_seconds
    10.0
    >>> sight(first, LeaseRecord("a", renewed="2"), 20.0).seen_at_seconds
    20.0
    """
    if previous is not None and previous.record == record:
        return previous
    return Sighting(record, now_seconds)


def elect(sighting: Sighting, identity: str, now_seconds: float) -> Step:
    """Return what a candidate does about the lease it sees.

    >>> held = Sighting(LeaseRecord("other", duration_seconds=15), seen_at_seconds=100.0)
    >>> elect(held, "me", 114.9), elect(held, "me", 115.0)
    ('wait', 'take')
    """
    record = sighting.record
    if record is None:
        return "create"
    if record.holder == identity:
        return "renew"
    expired = now_seconds - sighting.seen_at_seconds >= record.duration_seconds
    return "take" if not record.holder or expired else "wait"


def claim(
    record: LeaseRecord | None, identity: str, now_text: str, duration_seconds: int
) -> LeaseRecord:
    """Return the record that a candidate writes to become or stay the leader.

    >>> claim(LeaseRecord("old", transitions=2), "me", "T", 15).transitions
    3
    """
    if record is not None and record.holder == identity:
        return replace(record, renewed=now_text, duration_seconds=duration_seconds)
    return LeaseRecord(
        holder=identity,
        duration_seconds=duration_seconds,
        acquired=now_text,
        renewed=now_text,
        transitions=record.transitions + 1 if record else 0,
    )


def release(record: LeaseRecord, now_text: str) -> LeaseRecord:
    """Return the record that gives the lease away at once instead of letting it expire.

    >>> release(LeaseRecord("me"), "T").holder
    ''
    """
    return replace(record, holder="", renewed=now_text, duration_seconds=1)
