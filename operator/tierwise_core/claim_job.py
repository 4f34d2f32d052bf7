"""A short Job that looks into a claim, where the operator cannot look itself.

It mounts the claim read-only, in the claim's namespace. What a model says of itself it leaves in
its pod's termination message; a file is too long for that, so it goes to the pod's log, and the
message has its hash. :func:`claim_job` renders it, :func:`told_by_pod` understands its pod.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tierwise_core.errors import SourceNotFoundError, SourceUnreadableError
from tierwise_core.fetch_container import COMMAND
from tierwise_core.revision import digest

__all__ = [
    "CONTAINER",
    "JOB_SECONDS",
    "READS",
    "ClaimDirectory",
    "claim_job",
    "told_by_pod",
    "waits_for",
]

READS = "tierwise.dev/reads"  # label: the Job that a pod belongs to
MOUNT = "/mnt/tierwise/claim"
CONTAINER = "read"
JOB_SECONDS = 240
KEPT_SECONDS = 300

STUCK_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"}
)
NOT_FOUND_TEXT = "not found"
NOT_THERE = "SourceNotFound: "

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClaimDirectory:
    """A directory in a PersistentVolumeClaim; ``revision`` is the user's mark of its content.

    With ``file`` it is the content of that file in it which is wanted, not what a model says.
    """

    namespace: str
    claim: str
    path: str
    revision: str = ""
    file: str = ""

    @property
    def source(self) -> str:
        """As it stands in the manifest."""
        return "/".join(part for part in (f"pvc://{self.claim}", self.path, self.file) if part)


def claim_job(where: ClaimDirectory, image: str, pull_policy: str) -> dict[str, Any]:
    """Return the Job that reads a directory of a claim.

    >>> claim_job(ClaimDirectory("ai", "models", "llama"), "operator:1", "Always")["kind"]
    'Job'
    """
    parts = (where.namespace, where.claim, where.path, where.revision, image, where.file)
    name = f"tierwise-read-{digest(parts)}"
    labels = {"app.kubernetes.io/managed-by": "tierwise", READS: name}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": where.namespace, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": JOB_SECONDS,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {
                "metadata": {"labels": labels},
                "spec": _pod(where, image, pull_policy),
            },
        },
    }


def _pod(where: ClaimDirectory, image: str, pull_policy: str) -> dict[str, Any]:
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # The volume may be on a node that is tainted for GPU work alone.
        "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": CONTAINER,
                "image": image,
                "imagePullPolicy": pull_policy,
                "command": list(COMMAND),
                "args": [
                    *_told(where),
                    *("--termination-log", "/dev/termination-log"),
                ],
                "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "claim", "mountPath": MOUNT, "readOnly": True}],
            }
        ],
        "volumes": [
            {
                "name": "claim",
                "persistentVolumeClaim": {"claimName": where.claim, "readOnly": True},
            }
        ],
    }


def _told(where: ClaimDirectory) -> tuple[str, str]:
    """Return the command, and the directory or file that it tells of."""
    inside = "/".join(part for part in (MOUNT, where.path, where.file) if part)
    return ("tell" if where.file else "describe"), inside


def told_by_pod(where: ClaimDirectory, pod: Json) -> str | None:
    """Return what the Job's pod found, or None while it is not done.

    Raises:
        SourceNotFoundError: the claim, the directory or its config do not exist.
        SourceUnreadableError: it cannot run, or cannot read what is there.
    """
    status = pod.get("status") or {}
    state: Json = next(
        (
            found.get("state") or {}
            for found in status.get("containerStatuses") or ()
            if found.get("name") == CONTAINER
        ),
        {},
    )
    if (ended := state.get("terminated")) is not None:
        return _ended(where, str(ended.get("message", "")), int(ended.get("exitCode", 0)))
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in STUCK_REASONS:
        raise SourceUnreadableError(
            f"spec.model.source: the pod that reads {where.source} cannot start "
            f"({waiting['reason']}: {waiting.get('message', '')}); see the chart's weights.image",
            retryable=True,
        )
    if where.claim in (why := waits_for(pod)) and NOT_FOUND_TEXT in why:
        raise SourceNotFoundError(
            f"spec.model.source: there is no claim {where.claim} in namespace {where.namespace}; "
            "create the PersistentVolumeClaim, or correct the source"
        )
    return None


def _ended(where: ClaimDirectory, message: str, code: int) -> str:
    if code == 0 and message:
        return message
    if message.startswith(NOT_THERE):
        raise SourceNotFoundError(_in_claim(where, message.removeprefix(NOT_THERE)))
    said = message or f"it ended with code {code} and no word"
    raise SourceUnreadableError(
        f"spec.model.source: {where.source} could not be read by its Job: {_in_claim(where, said)}",
        retryable=not message,
    )


def _in_claim(where: ClaimDirectory, message: str) -> str:
    """A message of the pod, with the claim where it speaks of its mount."""
    return message.replace(MOUNT, f"pvc://{where.claim}")


def waits_for(pod: Json) -> str:
    """Return why a pod is not scheduled yet, in the scheduler's words; empty if it is."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next(
        (
            str(condition.get("message", ""))
            for condition in conditions
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False"
        ),
        "",
    )
