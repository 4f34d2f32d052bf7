"""The objects a Specialist owns: a Deployment per revision, and one Service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tierwise_core.engine import PORT_NAME, Layout, pod_template
from tierwise_core.plan import ChildKind
from tierwise_core.revision import deployment_name, digest, dns_label, label_value, revision
from tierwise_core.specialist import Specialist

SERVICE_PORT = 80

MANAGED_BY = "app.kubernetes.io/managed-by"
SPECIALIST = "tierwise.dev/specialist"
REVISION = "tierwise.dev/revision"
TIER = "tierwise.dev/tier"
FIELD = "tierwise.dev/field"
MANIFEST = "tierwise.dev/manifest"  # annotation: the digest of what was applied
REPLACED = "tierwise.dev/replaced"  # annotation: the revision that left before this one was ready


@dataclass(frozen=True, slots=True)
class Child:
    """A Deployment or Service of ours as last observed.

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
    manifest_digest: str = ""
    replicas: int = 0
    gpus_per_replica: int = 0
    replaced: str = ""
    failure: str = ""
    deleting: bool = False
    live: str = "{}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """The manifest of a Deployment, with the revision that its pod template has."""

    revision: str
    name: str
    manifest: Mapping[str, Any]


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


def deployment(
    specialist: Specialist, layout: Layout, replicas: int, replaced: str = ""
) -> Rendered:
    """Return the Deployment of a Specialist's current revision.

    Everything that would restart a pod is in the template and the template names the revision, so
    a Deployment's template never changes: a change makes another Deployment beside it.

    Raises:
        PodTemplateError: ``engine.podTemplate`` cannot be merged.
    """
    labels = {**common_labels(specialist), TIER: label_value(layout.tier.name)}
    template = pod_template(specialist, layout, labels)
    rev = revision(template)
    labels[REVISION] = rev
    template["metadata"]["labels"][REVISION] = rev
    selector = {SPECIALIST: labels[SPECIALIST], REVISION: rev}
    name = deployment_name(specialist.name, rev)
    spec = {
        "replicas": replicas,
        "revisionHistoryLimit": 1,
        "progressDeadlineSeconds": 6 * 3600 + 600,
        "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "selector": {"matchLabels": selector},
        "template": template,
    }
    body = _manifest("apps/v1", "Deployment", specialist, name, labels, spec)
    if replaced:
        body["metadata"]["annotations"][REPLACED] = replaced
    return Rendered(rev, name, _sealed(body))


def service(specialist: Specialist) -> Mapping[str, Any]:
    """Return the Service in front of a Specialist's ready pods."""
    labels = common_labels(specialist)
    spec = {
        "selector": {SPECIALIST: labels[SPECIALIST]},
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
            "ownerReferences": [_owner(specialist)],
        },
        "spec": spec,
    }


def _sealed(body: dict[str, Any]) -> dict[str, Any]:
    body["metadata"]["annotations"][MANIFEST] = digest(body, 16)
    return body


def _owner(specialist: Specialist) -> dict[str, Any]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "name": specialist.name,
        "uid": specialist.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
