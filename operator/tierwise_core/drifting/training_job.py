"""The Job that trains a drifted Specialist again, what it is given, and what it says in the end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final, Self

from tierwise_core.children import FIELD, MANAGED_BY, SPECIALIST
from tierwise_core.model_wire import wire_model
from tierwise_core.revision import digest, dns_label, label_value
from tierwise_core.rollout.order import TRIGGER, TRIGGER_MESSAGE
from tierwise_core.specialist import ModelSpec, Specialist

__all__ = [
    "DRIFT",
    "TRAINS",
    "Run",
    "Trained",
    "candidate",
    "fitting",
    "pairs_file",
    "progress",
    "rollout_of",
    "said_by",
    "training_job",
]

DRIFT: Final = "Drift"
TRAINS: Final = "tierwise.dev/trains"  # label: the run that an object belongs to
PAIRS_KEY: Final = "pairs.jsonl"
MOUNT: Final = "/mnt/tierwise/training"
VOLUME: Final = "tierwise-training"
RESULT: Final = "/dev/termination-log"
MOST_BYTES: Final = 900 * 1024
"""What a ConfigMap holds, its names and other fields aside, is 1 MiB."""
KEPT_SECONDS: Final = 86_400
MESSAGE_LIMIT: Final = 1024
SOURCES: Final = ("hf://", "pvc://", "file://", "s3://", "oci://")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One training: of whom, of which model, and the name of its Job and its file."""

    specialist: Specialist
    model: ModelSpec
    name: str

    @classmethod
    def of(cls, specialist: Specialist, model: ModelSpec, number: int) -> Self:
        """Return the run of that number; worked out again it has the same name.

        >>> Run.of(Specialist("ai", "sorter", "u", 1), ModelSpec("file:///m"), 0).name
        'sorter-train-7df38aa7'
        """
        own = digest((specialist.uid, wire_model(model), number))
        return cls(specialist, model, f"{dns_label(specialist.name, 48)}-train-{own}")

    @property
    def labels(self) -> dict[str, str]:
        """The labels of everything that belongs to the run."""
        return {
            MANAGED_BY: "tierwise",
            SPECIALIST + "-trained": label_value(self.specialist.name),
            FIELD: label_value(self.specialist.field),
            TRAINS: self.name,
        }


@dataclass(frozen=True, slots=True)
class Trained:
    """What a Job said in the end: the files it made, or why there are none (``problem``).

    ``adapter`` names the adapter whose files these are; empty for the model itself.
    """

    source: str = ""
    revision: str | None = None
    adapter: str = ""
    problem: str = ""


def fitting(lines: Sequence[bytes], most_bytes: int = MOST_BYTES) -> tuple[bytes, int]:
    r"""Join as many lines as fit, the newest (which come last) first; and how many they are.

    >>> fitting([b"old\n", b"new\n"], 5)
    (b'new\n', 1)
    """
    taken: list[bytes] = []
    size = 0
    for line in reversed(lines):
        size += len(line)
        if size > most_bytes:
            break
        taken.append(line)
    return b"".join(reversed(taken)), len(taken)


def pairs_file(run: Run, pairs: str) -> dict[str, Any]:
    """Return the ConfigMap with the preference pairs; it is deleted when the Job has ended."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(run),
        "data": {PAIRS_KEY: pairs},
    }


def training_job(run: Run, template: Json, timeout_seconds: float) -> dict[str, Any]:
    """Return the Job of a run: the template, with the pairs mounted and told of in variables.

    What the template says itself is kept.
    """
    own = template.get("metadata") or {}
    metadata = _metadata(run)
    metadata["labels"] = {**(own.get("labels") or {}), **metadata["labels"]}
    metadata["annotations"] = dict(own.get("annotations") or {})
    spec = deepcopy(dict(template.get("spec") or {}))
    spec.setdefault("backoffLimit", 1)
    spec.setdefault("activeDeadlineSeconds", round(timeout_seconds))
    spec.setdefault("ttlSecondsAfterFinished", KEPT_SECONDS)
    spec["template"] = _pod_template(run, spec.get("template") or {})
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _pod_template(run: Run, template: Json) -> dict[str, Any]:
    metadata, pod = dict(template.get("metadata") or {}), dict(template.get("spec") or {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **run.labels}
    pod.setdefault("restartPolicy", "Never")
    pod["volumes"] = [
        *(pod.get("volumes") or ()),
        {"name": VOLUME, "configMap": {"name": run.name}},
    ]
    for kind in ("initContainers", "containers"):
        if pod.get(kind):
            pod[kind] = [_container(run, one) for one in pod[kind]]
    return {**template, "metadata": metadata, "spec": pod}


def _container(run: Run, container: Json) -> dict[str, Any]:
    given = {variable.get("name") for variable in container.get("env") or ()}
    told = [
        {"name": name, "value": value} for name, value in _told(run).items() if name not in given
    ]
    mount = {"name": VOLUME, "mountPath": MOUNT, "readOnly": True}
    return {
        **container,
        "env": [*(container.get("env") or ()), *told],
        "volumeMounts": [*(container.get("volumeMounts") or ()), mount],
    }


def _told(run: Run) -> dict[str, str]:
    return {
        "TIERWISE_PAIRS": f"{MOUNT}/{PAIRS_KEY}",
        "TIERWISE_SPECIALIST": run.specialist.full_name,
        "TIERWISE_FIELD": run.specialist.field,
        "TIERWISE_MODEL_SOURCE": run.model.source,
        "TIERWISE_MODEL_REVISION": run.model.revision or "",
        "TIERWISE_RUN": run.name,
        "TIERWISE_RESULT": RESULT,
    }


def said_by(pods: Sequence[Json], job: Json | None) -> Trained | None:
    """Return what a Job's pods, or the Job, say of the result; None while it runs."""
    for pod in pods:
        for container in (pod.get("status") or {}).get("containerStatuses") or ():
            ended = (container.get("state") or {}).get("terminated") or {}
            if ended.get("exitCode") == 0 and ended.get("message"):
                return _read(str(ended["message"]))
    if job is None:
        return Trained(problem="its Job was deleted before it said anything")
    status = job.get("status") or {}
    failed = next(
        (
            one
            for one in status.get("conditions") or ()
            if one.get("type") == "Failed" and one.get("status") == "True"
        ),
        None,
    )
    if failed is not None:
        return Trained(problem=_failure(pods, failed))
    if status.get("succeeded"):
        return Trained(
            problem='its Job ended without a word; it has to write {"source": "..."} to the file '
            "that TIERWISE_RESULT names"
        )
    return None


def _failure(pods: Sequence[Json], failed: Json) -> str:
    last = ""
    for pod in pods:
        for container in (pod.get("status") or {}).get("containerStatuses") or ():
            ended = (container.get("state") or {}).get("terminated") or {}
            if ended.get("exitCode"):
                last = str(ended.get("message") or f"exit code {ended['exitCode']}")
    why = failed.get("message") or failed.get("reason") or "it failed"
    return f"its Job failed: {why}" + (f" ({last.strip()[:MESSAGE_LIMIT]})" if last else "")


def _read(message: str) -> Trained:
    r"""Read the last line of a termination message.

    >>> _read('epoch 1\n{"source": "pvc://models/sorter-2"}\n').source
    'pvc://models/sorter-2'
    """
    line = message.strip().splitlines()[-1] if message.strip() else ""
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    source = said.get("source") if isinstance(said, dict) else None
    if not isinstance(source, str) or not source.startswith(SOURCES):
        return Trained(
            problem=f"its termination message is {line[:200]!r}; it must end with a line such as "
            '{"source": "pvc://CLAIM/PATH"}'
        )
    revision = said.get("revision")
    return Trained(source, str(revision) if revision else None, str(said.get("adapter") or ""))


def candidate(model: ModelSpec, trained: Trained) -> dict[str, Any]:
    """Return the model to try, in its wire form: the one that serves, with what was trained.

    >>> candidate(ModelSpec("hf://a/b", "v1", max_model_len_tokens=256), Trained("pvc://c/d"))
    {'source': 'pvc://c/d', 'maxModelLen': 256}
    """
    row = wire_model(model)
    if trained.adapter:
        others = [one for one in row.get("adapters", ()) if one["name"] != trained.adapter]
        row["adapters"] = [*others, {"name": trained.adapter, "source": trained.source}]
        return row
    row["source"] = trained.source
    row.pop("revision", None)
    return row | ({"revision": trained.revision} if trained.revision else {})


def progress(run: Run, pairs: int, job: Json | None) -> str:
    """Say how far the Job is.

    >>> run = Run(Specialist("ai", "sorter", "u", 1), ModelSpec("file:///m"), "sorter-train-1")
    >>> progress(run, 40, {"status": {"active": 1, "failed": 1}})
    'Job sorter-train-1, which learns from 40 preference pairs: runs, after 1 failed attempt'
    >>> progress(run, 40, None)
    'Job sorter-train-1, which learns from 40 preference pairs: has no pod yet'
    """
    status = (job or {}).get("status") or {}
    failed = int(status.get("failed") or 0)
    state = "runs" if status.get("active") else "has no pod yet"
    after = f", after {failed} failed attempt{'s' if failed > 1 else ''}" if failed else ""
    return f"Job {run.name}, which learns from {pairs} preference pairs: {state}{after}"


def rollout_of(run: Run, why: str) -> dict[str, Any]:
    """Return the Rollout that will try what a run makes; it waits for it in stage Training."""
    specialist = run.specialist
    metadata = _metadata(run)
    metadata["labels"] = {SPECIALIST: label_value(specialist.name), TRAINS: run.name}
    metadata["annotations"] = {TRIGGER: DRIFT, TRIGGER_MESSAGE: why}
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": metadata,
        "spec": {
            "specialistRef": {"name": specialist.name},
            "candidate": {"trainedBy": run.name},
            "strategy": dict(specialist.rollout or {}),
        },
    }


def _metadata(run: Run) -> dict[str, Any]:
    specialist = run.specialist
    return {
        "name": run.name,
        "namespace": specialist.namespace,
        "labels": run.labels,
        "ownerReferences": [
            {
                "apiVersion": "tierwise.dev/v1alpha1",
                "kind": "Specialist",
                "name": specialist.name,
                "uid": specialist.uid,
            }
        ],
    }
