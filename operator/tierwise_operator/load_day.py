"""The hours of the day of every Specialist with an alternative, and what follows from them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tierwise_core.dedicated import Replica, dedicated_status
from tierwise_core.fleet_plan import FleetVerdict
from tierwise_core.load import Traffic
from tierwise_core.load_profile import LoadProfile, from_status
from tierwise_core.specialist import Specialist
from tierwise_operator.store import Store
from tierwise_operator.workqueue import Item

PUBLISH_SECONDS = 600.0


class LoadDay:
    """Learns profiles from what is served, and publishes them every ten minutes.

    What was learnt since the last time is lost with the operator; the rest is in the status.
    """

    def __init__(
        self, store: Store, enqueue: Callable[[Item], None], clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._enqueue = enqueue
        self._clock = clock
        self._learnt: dict[str, LoadProfile] = {}
        self._published: dict[str, tuple[LoadProfile, float]] = {}

    def take(self, specialist: Specialist, served: Traffic, ready: int) -> None:
        """Learn from what was served since the last look."""
        if specialist.placement.alternative is None:
            self._learnt.pop(specialist.key, None)
            self._published.pop(specialist.key, None)
            return
        now = self._clock()
        known = self._learnt.get(specialist.key) or _known(specialist)
        hour = now.astimezone(UTC).hour
        self._learnt[specialist.key] = known.plus(served, hour, ready)
        if now.timestamp() - self._shown(specialist)[1] >= PUBLISH_SECONDS:
            self._published[specialist.key] = (self._learnt[specialist.key], now.timestamp())
            self._enqueue(Item("Specialist", specialist.key))

    def status(self, specialist: Specialist, verdict: FleetVerdict | None) -> dict[str, Any]:
        """Return ``status.dedicated``; nothing for a Specialist without an alternative."""
        name = specialist.placement.alternative
        if name is None or specialist.model is None:
            return {}
        other = self._store.specialists.get(f"{specialist.namespace}/{name}")
        profile, _ = self._shown(specialist)
        return {"dedicated": dedicated_status(specialist, other, _replica(verdict), profile)}

    def _shown(self, specialist: Specialist) -> tuple[LoadProfile, float]:
        if specialist.key not in self._published:
            self._published[specialist.key] = (_known(specialist), self._clock().timestamp())
        return self._published[specialist.key]


def _known(specialist: Specialist) -> LoadProfile:
    return from_status(specialist.status.get("dedicated") or {})


def _replica(verdict: FleetVerdict | None) -> Replica | None:
    if verdict is None or verdict.assignment is None:
        return None
    share = verdict.assignment.primary
    tier = verdict.tiers.get(share.tier)
    return Replica(tier.usd_per_gpu_hour * share.gpus_per_replica, tier.name) if tier else None
