"""The objects a Specialist owns: a Deployment per revision, and one Service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tierwise_core.engine import PORT_NAME, Layout, pod_template
from tierwise_core.fleet import GPUTier
from tierwise_core.leader_worker_set import group_spec, worker_template
from tierwise_core.plan import ChildKind
from tierwise_core.revision import deployment_name, digest, dns_label, label_value, revision
from tierwise_core.specialist import Specialist

SERVICE_PORT = 80
LWS_API = "leaderworkerset.x-k8s.io/v1"

MANAGED_BY = "app.kubernetes.io/managed-by"
SPECIALIST = "tierwise.dev/specialist"
REVISION = "tierwise.dev/revision"
WORKER = "tierwise.dev/worker-of"  # on pods of a replica over several nodes that answer nobody
EDITION = "tierwise.dev/edition"  # what the pods run, wherever they do: the same on every tier
SIDE = "tierwise.dev/side"  # on what runs the candidate of a rollout, and not on its pods
MARK = "tierwise.dev/candidate"  # on pods of one edition that differ in an adapter's files
TIER = "tierwise.dev/tier"
FIELD = "tierwise.dev/field"
MANIFEST = "tierwise.dev/manifest"  # annotation: the digest of what was applied
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"  # Kubernetes' own: lower goes first
QUEUE = "kueue.x-k8s.io/queue-name"  # Kueue's own: the LocalQueue that admits the pods
REPLACED = "tierwise.dev/replaced"  # annotation: the revision that left before this one was ready


@dataclass(frozen=True, slots=True)
class Child:
    """A Deployment or Service of ours as last observed; ``side`` is "green" for a candidate's.

    ``live`` is the JSON of the parts we set (labels, owners, spec), kept as text because thousands
    of them are held and few are looked at. ``failure`` is why a Deployment cannot create pods
    (a quota, an admission policy), in the words of its controller.
    """

    kind: ChildKind
    namespace: str
    name: str
    uid: str = ""
    specialist: str = ""
    revision: str = ""
    tier: str = ""
    edition: str = ""
    side: str = ""
    manifest_digest: str = ""
    replicas: int = 0
    gpus_per_replica: int = 0
    replaced: str = ""
    failure: str = ""
    deleting: bool = False
    live: str = "{}"


@dataclass(frozen=True, slots=True)
class Revision:
    """The pods of a Specialist on one tier: a pod template, and the names that it gives.

    Two revisions of one edition run the same model in the same way and differ in where they do.
    The pods themselves do not know their ``side``: a promotion must not restart them.
    """

    name: str
    revision: str
    edition: str
    tier: str
    labels: Mapping[str, str]
    template: Mapping[str, Any]
    nodes: int = 1
    side: str = ""


def common_labels(specialist: Specialist) -> dict[str, str]:
    """Return the labels of everything a Specialist owns."""
    return {
        "app.kubernetes.io/name": label_value(specialist.name),
        "app.kubernetes.io/component": "engine",
        MANAGED_BY: "tierwise",
        SPECIALIST: label_value(specialist.name),
        FIELD: label_value(specialist.field),
    }


def selector_text(specialist: Specialist) -> str:
    """Return ``status.selector``: the label selector of a Specialist's pods.

    >>> selector_text(Specialist("default", "sorter", "u", 1))
    'tierwise.dev/specialist=sorter'
    """
    return f"{SPECIALIST}={label_value(specialist.name)}"


ANYWHERE = GPUTier("any", resource_name="any")
"""The tier that stands for all when an edition is named."""


def revise(specialist: Specialist, layout: Layout) -> Revision:
    """Return the revision of a Specialist's pods for a layout.

    Everything that would restart a pod is in the template and the template names the revision, so
    a Deployment's template never changes: a change makes another Deployment beside it.

    Raises:
        PodTemplateError: ``engine.podTemplate`` cannot be merged.
    """
    same = edition(specialist, layout)
    labels = {
        **common_labels(specialist),
        **_marked(specialist),
        TIER: label_value(layout.tier.name),
        EDITION: same,
    }
    template = pod_template(specialist, layout, labels | queue_label(specialist, layout.tier))
    rev = revision(template)
    labels[REVISION] = rev
    template["metadata"]["labels"][REVISION] = rev
    name, tier = deployment_name(specialist.name, rev), layout.tier.name
    return Revision(name, rev, same, tier, labels, template, layout.nodes, specialist.side)


def edition(specialist: Specialist, layout: Layout) -> str:
    """Return the name of what the pods run, which is the same on every tier."""
    return digest(pod_template(specialist, layout.on(ANYWHERE, 1), _marked(specialist)))


def _marked(specialist: Specialist) -> dict[str, str]:
    return {MARK: specialist.mark} if specialist.mark else {}


def queue_label(specialist: Specialist, tier: GPUTier) -> dict[str, str]:
    """Return the label by which Kueue takes charge of pods, or none.

    >>> from tierwise_core.specialist import PlacementSpec
    >>> sp = Specialist("a", "b", "u", 1, placement=PlacementSpec(queue="research"))
    >>> queue_label(sp, GPUTier("t", kueue_resource_flavor="spot"))
    {'kueue.x-k8s.io/queue-name': 'research'}
    >>> queue_label(sp, GPUTier("t"))
    {}
    """
    queue = specialist.placement.queue
    return {QUEUE: queue} if queue and tier.kueue_resource_flavor else {}


def workload(
    specialist: Specialist, revision: Revision, replicas: int, replaced: str = ""
) -> Mapping[str, Any]:
    """Return what runs a revision: a Deployment, or a LeaderWorkerSet where a replica has nodes."""
    if revision.nodes == 1:
        return deployment(specialist, revision, replicas, replaced)
    return leader_worker_set(specialist, revision, replicas, replaced)


def leader_worker_set(
    specialist: Specialist, revision: Revision, replicas: int, replaced: str = ""
) -> Mapping[str, Any]:
    """Return the LeaderWorkerSet of a revision; Kueue is told by the set, not by its pods."""
    leader = {**revision.template, "metadata": dict(revision.template["metadata"])}
    queue = leader["metadata"]["labels"].get(QUEUE)
    leader["metadata"]["labels"] = {
        name: value for name, value in leader["metadata"]["labels"].items() if name != QUEUE
    }
    own = {name: value for name, value in revision.labels.items() if name != SPECIALIST}
    worker = worker_template(leader, {**own, WORKER: revision.labels[SPECIALIST]})
    spec = group_spec(replicas, revision.nodes, leader, worker)
    body = _manifest(LWS_API, "LeaderWorkerSet", specialist, revision.name, _of(revision), spec)
    if queue:
        body["metadata"]["labels"][QUEUE] = queue
    if replaced:
        body["metadata"]["annotations"][REPLACED] = replaced
    return _sealed(body)


def _of(revision: Revision) -> dict[str, str]:
    return {**revision.labels, **({SIDE: revision.side} if revision.side else {})}


def deployment(
    specialist: Specialist, revision: Revision, replicas: int, replaced: str = ""
) -> Mapping[str, Any]:
    """Return the Deployment of a revision; ``replaced`` names the one that had to leave first."""
    selector = {SPECIALIST: revision.labels[SPECIALIST], REVISION: revision.revision}
    spec = {
        "replicas": replicas,
        "revisionHistoryLimit": 1,
        "progressDeadlineSeconds": 6 * 3600 + 600,
        "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "selector": {"matchLabels": selector},
        "template": revision.template,
    }
    queue = revision.template["metadata"]["labels"].get(QUEUE)
    labels = _of(revision) | ({QUEUE: queue} if queue else {})
    body = _manifest("apps/v1", "Deployment", specialist, revision.name, labels, spec)
    if replaced:
        body["metadata"]["annotations"][REPLACED] = replaced
    return _sealed(body)


def service(specialist: Specialist, edition: str = "") -> Mapping[str, Any]:
    """Return the Service in front of a Specialist's ready pods, those of one edition if given."""
    labels = common_labels(specialist)
    only = {EDITION: edition} if edition else {}
    spec = {
        "selector": {SPECIALIST: labels[SPECIALIST], **only},
        "ports": [{"name": PORT_NAME, "port": SERVICE_PORT, "targetPort": PORT_NAME}],
    }
    name = dns_label(specialist.name)
    return _sealed(_manifest("v1", "Service", specialist, name, labels, spec))


def _manifest(  # noqa: PLR0913, PLR0917 - the parts of any Kubernetes object
    api_version: str,
    kind: str,
    specialist: Specialist,
    name: str,
    labels: Mapping[str, str],
    spec: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": specialist.namespace,
            "labels": dict(labels),
            "annotations": {},
            "ownerReferences": [owner(specialist)],
        },
        "spec": spec,
    }


def _sealed(body: dict[str, Any]) -> dict[str, Any]:
    body["metadata"]["annotations"][MANIFEST] = digest(body, 16)
    return body


def owner(specialist: Specialist) -> dict[str, Any]:
    """Return the reference that lets what a Specialist owns go with it."""
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "name": specialist.name,
        "uid": specialist.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
