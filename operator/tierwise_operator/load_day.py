"""The hours of the day of every Specialist with an alternative, and what follows from them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tierwise_core.burst import burst_status, choose, published
from tierwise_core.dedicated import Replica, dedicated_status, prices, unusable
from tierwise_core.elsewhere import NOTHING, Elsewhere, Told, grown, told
from tierwise_core.fleet_plan import FleetVerdict
from tierwise_core.load import Traffic
from tierwise_core.load_profile import LoadProfile, from_status
from tierwise_core.specialist import Specialist
from tierwise_operator.store import Store
from tierwise_operator.workqueue import Item

PUBLISH_SECONDS = 600.0


@dataclass(slots=True)
class _Heard:
    """What routers have told of one Specialist, and what of it was not learnt from yet."""

    routers: dict[str, Told] = field(default_factory=dict)
    fresh: Elsewhere = NOTHING


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
        self._began = clock()
        self._learnt: dict[str, LoadProfile] = {}
        self._published: dict[str, tuple[LoadProfile, float]] = {}
        self._heard: dict[str, _Heard] = {}

    def hear(self, specialist: Specialist) -> None:
        """Take note of what a router has sent to the alternative."""
        said = told(specialist.status) if specialist.placement.bursts else None
        if said is None:
            return
        heard = self._heard.setdefault(specialist.key, _Heard())
        heard.fresh += grown(heard.routers.get(said.router), said, self._began)
        heard.routers[said.router] = said

    def take(self, specialist: Specialist, served: Traffic, ready: int) -> None:
        """Learn from what was served since the last look."""
        if specialist.placement.alternative is None:
            self.forget(specialist.key)
            return
        now = self._clock()
        known = self._learnt.get(specialist.key) or _known(specialist)
        elsewhere = self._since_then(specialist.key)
        hour = now.astimezone(UTC).hour
        self._learnt[specialist.key] = known.plus(served, hour, ready, elsewhere)
        if now.timestamp() - self._shown(specialist)[1] >= PUBLISH_SECONDS:
            self._published[specialist.key] = (self._learnt[specialist.key], now.timestamp())
            self._enqueue(Item("Specialist", specialist.key))

    def status(self, specialist: Specialist, verdict: FleetVerdict | None) -> dict[str, Any]:
        """Return ``status.dedicated`` and, where it is told to switch, ``status.burst``."""
        name = specialist.placement.alternative
        if name is None or specialist.model is None:
            return {}
        other = self._store.specialists.get(f"{specialist.namespace}/{name}")
        profile, _ = self._shown(specialist)
        replica = _replica(verdict)
        found = {"dedicated": dedicated_status(specialist, other, replica, profile)}
        if specialist.placement.bursts:
            found["burst"] = self._burst(specialist, other, replica, profile)
        return found

    def forget(self, key: str) -> None:
        """Forget a Specialist."""
        self._learnt.pop(key, None)
        self._published.pop(key, None)
        self._heard.pop(key, None)

    def _burst(
        self,
        specialist: Specialist,
        other: Specialist | None,
        replica: Replica | None,
        profile: LoadProfile,
    ) -> dict[str, Any]:
        name = specialist.placement.alternative or ""
        if why := unusable(name, other):
            return {"alternative": name, "message": why}
        policy = specialist.placement.scaling
        compared = prices(specialist, other, replica, profile)
        before = published(specialist.status)
        chosen = choose(before, profile, compared, policy, self._clock())
        return burst_status(chosen, policy, name)

    def _since_then(self, key: str) -> Elsewhere:
        heard = self._heard.get(key)
        if heard is None:
            return NOTHING
        fresh, heard.fresh = heard.fresh, NOTHING
        return fresh

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
