"""A plan carried out: the writes it asks for, in its order, and nothing else."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog

from tierwise_core.children import DELETION_COST, MANAGED_BY
from tierwise_core.errors import TierwiseError
from tierwise_core.plan import Action, Apply, Delete, Mark, Plan, PublishStatus, Scale
from tierwise_operator.cluster import Cluster, ClusterError
from tierwise_operator.kinds import BY_NAME, POD
from tierwise_operator.metrics import Metrics
from tierwise_operator.recorder import Recorder, Subject
from tierwise_operator.store import Store

log = structlog.get_logger("tierwise.reconcile")


class NameTakenError(TierwiseError):
    """An object of the name we need exists and is not ours."""

    reason = "NameTaken"
    retryable = True


class Executor:
    """Carries out plans; every answer of the API server goes straight into the store."""

    def __init__(
        self, cluster: Cluster, store: Store, recorder: Recorder, metrics: Metrics
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._recorder = recorder
        self._metrics = metrics

    async def carry_out(self, plan: Plan, subject: Subject) -> None:
        """Write children, then the status, then Events."""
        for action in plan.actions:
            await self._act(action, subject)
        if plan.status is not None:
            await self._publish(plan.status, subject)
        for event in plan.events:
            await self._recorder.announce(subject, event)

    async def _act(self, action: Action, subject: Subject) -> None:
        match action:
            case Delete():
                verb = "delete"
                await self._delete(action)
            case Apply():
                verb = "apply"
                await self._apply(action)
            case Scale():
                verb = "scale"
                await self._scale(action)
            case Mark():
                verb = "mark"
                await self._mark(action)
        self._wrote(action.kind, verb, action.name, subject, action.reason)

    async def _apply(self, action: Apply) -> None:
        kind = BY_NAME[action.kind]
        if not action.exists:
            await self._refuse_foreign(action)
        answer = await self._cluster.apply(kind, action.manifest)
        self._store.observe(kind, answer, echo=True)

    async def _refuse_foreign(self, action: Apply) -> None:
        """Raise if an object of that name exists that nobody would want us to take over."""
        there = await self._cluster.get(BY_NAME[action.kind], action.namespace, action.name)
        if there is None:
            return
        labels = there["metadata"].get("labels") or {}
        if labels.get(MANAGED_BY) != "tierwise" and not _owned(there["metadata"], action):
            raise NameTakenError(
                f"metadata.name: {action.kind} {action.namespace}/{action.name} exists and does "
                "not belong to tierwise; delete or rename it, or rename the Specialist"
            )

    async def _delete(self, action: Delete) -> None:
        kind = BY_NAME[action.kind]
        await self._cluster.delete(kind, action.namespace, action.name, action.uid)
        self._store.forget(kind, f"{action.namespace}/{action.name}")

    async def _scale(self, action: Scale) -> None:
        """Change the replicas alone: what else the object says is of a spec that has changed."""
        kind = BY_NAME[action.kind]
        body = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": action.name, "namespace": action.namespace},
            "spec": {"replicas": action.replicas},
        }
        try:
            await self._cluster.apply(kind, body, "scale")
        except ClusterError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        seen = await self._cluster.get(kind, action.namespace, action.name)
        if seen is not None:
            self._store.observe(kind, seen, echo=True)

    async def _mark(self, action: Mark) -> None:
        """Write the pod's deletion cost; a pod that is gone needs none."""
        annotations = {DELETION_COST: str(action.cost)} if action.cost else {}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": action.name,
                "namespace": action.namespace,
                "uid": action.uid,
                "annotations": annotations,
            },
        }
        try:
            answer = await self._cluster.apply(POD, body)
        except ClusterError:
            # To apply to a pod that is gone would be to create it, which is refused in many ways.
            there = await self._cluster.get(POD, action.namespace, action.name)
            if there is not None and there["metadata"].get("uid") == action.uid:
                raise
        else:
            self._store.observe(POD, answer, echo=True)

    async def _publish(self, publish: PublishStatus, subject: Subject) -> None:
        kind = BY_NAME[publish.kind]
        metadata = {"name": publish.name}
        if publish.namespace:
            metadata["namespace"] = publish.namespace
        body = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": metadata,
            "status": publish.status,
        }
        try:
            answer = await self._cluster.apply(kind, body, "status")
        except ClusterError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return  # it was deleted meanwhile
            raise
        self._store.observe(kind, answer, echo=True)
        self._wrote(f"{publish.kind}/status", "apply", publish.name, subject, publish.reason)

    def _wrote(self, kind: str, verb: str, name: str, subject: Subject, reason: str) -> None:
        self._metrics.writes.labels(kind, verb).inc()
        whose = {subject.kind.name.lower(): subject.key, "generation": subject.generation}
        log.info("wrote", **whose, action=verb, kind=kind, name=name, reason=reason)


def _owned(metadata: Mapping[str, Any], action: Apply) -> bool:
    owner = action.manifest["metadata"]["ownerReferences"][0]
    return any(known.get("uid") == owner["uid"] for known in metadata.get("ownerReferences") or ())
