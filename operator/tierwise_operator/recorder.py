"""Kubernetes Events for people: what happened to an object, said once."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import structlog

from tierwise_core.conditions import clip
from tierwise_core.plan import Announce
from tierwise_operator.cluster import Cluster, ClusterError
from tierwise_operator.kinds import EVENT, Kind

COMPONENT = "tierwise.dev/operator"
NOTE_LIMIT = 1024
SAY_AGAIN_SECONDS = 3600.0
REMEMBERED = 20_000

log = structlog.get_logger("tierwise.events")


@dataclass(frozen=True, slots=True)
class Subject:
    """The object an Event is about."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    generation: int = 0

    @property
    def key(self) -> str:
        """``namespace/name``, or the name of a cluster-scoped object."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Recorder:
    """Writes Events; the same words about the same object are said once an hour at most."""

    def __init__(self, cluster: Cluster, instance: str, clock: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._instance = instance
        self._clock = clock
        self._said: OrderedDict[tuple[str, str, str], datetime] = OrderedDict()

    async def announce(self, subject: Subject, announce: Announce) -> None:
        """Write an Event; a cluster that refuses it stops nothing."""
        if self._heard(subject, announce):
            return
        try:
            await self._cluster.create(EVENT, self._event(subject, announce))
        except ClusterError as error:
            log.warning("event not written", object=subject.name, error=str(error))

    def _heard(self, subject: Subject, announce: Announce) -> bool:
        key = (subject.uid, announce.reason, announce.message)
        now, last = self._clock(), self._said.get(key)
        if last is not None and (now - last).total_seconds() < SAY_AGAIN_SECONDS:
            return True
        self._said[key] = now
        self._said.move_to_end(key)
        while len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        return False

    def _event(self, subject: Subject, announce: Announce) -> dict[str, Any]:
        regarding = {
            "apiVersion": subject.kind.api_version,
            "kind": subject.kind.name,
            "name": subject.name,
            "uid": subject.uid,
        }
        if subject.namespace:
            regarding["namespace"] = subject.namespace
        moment = self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.name,
            "metadata": {
                "name": f"{subject.name[:200]}.{uuid4().hex[:16]}",
                "namespace": subject.namespace or "default",
            },
            "eventTime": moment,
            "reportingController": COMPONENT,
            "reportingInstance": self._instance,
            "action": "Reconcile",
            "reason": announce.reason,
            "regarding": regarding,
            "note": clip(announce.message, NOTE_LIMIT),
            "type": announce.type,
        }
