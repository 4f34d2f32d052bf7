"""What may be installed beside Kubernetes, looked at when it is needed: LeaderWorkerSet and Kueue.

Nothing here is watched: an API that is not there cannot be, and one that is tells by its pods,
which are watched. What is asked is remembered for a while, so that a cluster without it is not
asked again for every Specialist.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from tierwise_core.admission import Flavors
from tierwise_core.fleet import GPUTier, Pod
from tierwise_core.specialist import Specialist
from tierwise_operator.cluster import Cluster, ClusterError
from tierwise_operator.kinds import LEADER_WORKER_SET, RESOURCE_FLAVOR, WORKLOAD, Kind
from tierwise_operator.store import Store, key_of

AGAIN_SECONDS = 30.0
WORDS_AGAIN_SECONDS = 10.0
ABSENT = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN})


class Extensions:
    """What of them there is, as far as it was asked for."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        clock: Callable[[], datetime],
        namespaces: Sequence[str] = (),
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._clock = clock
        self._namespaces = tuple(namespaces) or ("",)
        self._asked: dict[str, float] = {}
        self._words: dict[str, dict[str, str]] = {}
        self.gangs = False
        self.flavors = Flavors()

    async def look(self) -> None:
        """Look at everything that somebody needs, whenever that was last done."""
        self._asked.clear()
        for tier in self._store.tiers.all():
            await self.need_flavor(tier)
        if any(sp.placement.nodes_per_replica > 1 for sp in self._store.specialists.all()):
            await self._look_for_gangs()

    async def prepare(self, specialist: Specialist, pods: Sequence[Pod]) -> None:
        """Ask for what a pass over this Specialist needs to know."""
        if specialist.placement.nodes_per_replica > 1 and not self.gangs:
            await self._look_for_gangs()
        if any(pod.gates for pod in pods):
            await self._listen(specialist.namespace)

    async def need_flavor(self, tier: GPUTier) -> bool:
        """Ask for the flavors if the tier names one that is not known; say whether any changed."""
        name = tier.kueue_resource_flavor
        if name is None or not self._due("flavors", AGAIN_SECONDS):
            return False
        found = await self._all(RESOURCE_FLAVOR, "")
        labels = None if found is None else {f["metadata"]["name"]: _labels(f) for f in found}
        before, self.flavors = self.flavors, Flavors(labels)
        return before != self.flavors

    def words(self, namespace: str) -> Mapping[str, str]:
        """Return what Kueue says of the pods of a namespace that wait, by the pod's uid."""
        return self._words.get(namespace, {})

    async def _look_for_gangs(self) -> None:
        """Take in the LeaderWorkerSets that are ours, and forget those that are gone."""
        if not self._due("gangs", AGAIN_SECONDS):
            return
        there: set[str] = set()
        for namespace in self._namespaces:
            found = await self._all(LEADER_WORKER_SET, namespace)
            self.gangs = found is not None
            for body in found or ():
                there.add(key_of(body["metadata"]))
                self._store.observe(LEADER_WORKER_SET, body)
        for key in self._store.shelf(LEADER_WORKER_SET):
            if key not in there:
                self._store.forget(LEADER_WORKER_SET, key)

    async def _listen(self, namespace: str) -> None:
        if self._due(f"words {namespace}", WORDS_AGAIN_SECONDS):
            found = await self._all(WORKLOAD, namespace)
            self._words[namespace] = dict(_said(workload) for workload in found or ())

    def _due(self, what: str, seconds: float) -> bool:
        now = self._clock().timestamp()
        if now - self._asked.get(what, float("-inf")) < seconds:
            return False
        self._asked[what] = now
        return True

    async def _all(self, kind: Kind, namespace: str) -> list[Mapping[str, Any]] | None:
        """Return all objects of a kind; None where the cluster does not have it."""
        try:
            return [body async for body in self._cluster.objects(kind, namespace)]
        except ClusterError as error:
            if error.status in ABSENT:
                return None
            raise


def _labels(flavor: Mapping[str, Any]) -> dict[str, str]:
    return dict((flavor.get("spec") or {}).get("nodeLabels") or {})


def _said(workload: Mapping[str, Any]) -> tuple[str, str]:
    """Return the pod that a Workload stands for, and why it is not admitted."""
    owners = workload["metadata"].get("ownerReferences") or ()
    pod = next((owner["uid"] for owner in owners if owner.get("kind") == "Pod"), "")
    conditions = (workload.get("status") or {}).get("conditions") or ()
    refused = [c for c in conditions if c.get("status") == "False" and c.get("message")]
    order = {"QuotaReserved": 0, "Admitted": 1}
    refused.sort(key=lambda condition: order.get(condition.get("type", ""), 2))
    return pod, str(refused[0]["message"]) if refused else ""
