"""Our strategic merge against kubectl's own: the same patch, the same pod template."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localcluster.tools import binary
from tierwise_core.strategic_merge import PodTemplateError, strategic_merge

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"a": "1", "b": "2"}, "annotations": {"old": "x"}},
    "spec": {
        "containers": [
            {
                "name": "engine",
                "image": "vllm:1",
                "command": ["python3"],
                "args": ["--model", "m"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "ports": [{"name": "http", "containerPort": 8000}],
                "resources": {"limits": {"nvidia.com/gpu": "1"}},
                "volumeMounts": [{"name": "shm", "mountPath": "/mnt/shm"}],
            }
        ],
        "nodeSelector": {"gpu": "x"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "volumes": [
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
            {"name": "model-cache", "emptyDir": {}},
        ],
    },
}


def engine(**patch: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "engine", **patch}]}}


PATCHES: dict[str, dict[str, Any]] = {
    "a field of the engine": engine(image="vllm:2", imagePullPolicy="Never"),
    "args are replaced whole": engine(args=["--other"]),
    "an environment variable is changed and one added": engine(
        env=[{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]
    ),
    "an environment variable is deleted": engine(env=[{"name": "A", "$patch": "delete"}]),
    "all environment variables are replaced": engine(
        env=[{"$patch": "replace"}, {"name": "Z", "value": "9"}]
    ),
    "a mount is added by its path": engine(volumeMounts=[{"name": "usr", "mountPath": "/usr"}]),
    "a mount is changed by its path": engine(
        volumeMounts=[{"name": "other", "mountPath": "/mnt/shm"}]
    ),
    "a port is added": engine(ports=[{"name": "metrics", "containerPort": 9000}]),
    "resources merge": engine(resources={"limits": {"memory": "4Gi"}, "requests": {"cpu": "1"}}),
    "a field is removed by null": engine(command=None),
    "a map is replaced": {"spec": {"nodeSelector": {"$patch": "replace", "zone": "a"}}},
    "a map entry is removed by null": {"spec": {"nodeSelector": {"gpu": None, "zone": "a"}}},
    "a sidecar is added": {"spec": {"containers": [{"name": "side", "image": "s:1"}]}},
    "an init container is added": {"spec": {"initContainers": [{"name": "i", "image": "i:1"}]}},
    "tolerations are atomic": {"spec": {"tolerations": [{"operator": "Exists"}]}},
    "tolerations are removed by null": {"spec": {"tolerations": None}},
    "a volume is added": {"spec": {"volumes": [{"name": "usr", "hostPath": {"path": "/usr"}}]}},
    "a volume keeps only the new kind": {
        "spec": {
            "volumes": [
                {
                    "name": "model-cache",
                    "$retainKeys": ["name", "persistentVolumeClaim"],
                    "persistentVolumeClaim": {"claimName": "cache"},
                }
            ]
        }
    },
    "a volume changes its kind by null": {
        "spec": {
            "volumes": [
                {
                    "name": "model-cache",
                    "emptyDir": None,
                    "hostPath": {"path": "/cache"},
                }
            ]
        }
    },
    "a volume is deleted": {"spec": {"volumes": [{"name": "shm", "$patch": "delete"}]}},
    "all volumes are replaced": {
        "spec": {"volumes": [{"$patch": "replace"}, {"name": "x", "emptyDir": {}}]}
    },
    "labels and annotations": {
        "metadata": {"labels": {"b": None, "c": "3"}, "annotations": {"new": "y"}}
    },
    "pull secrets merge by name": {"spec": {"imagePullSecrets": [{"name": "registry"}]}},
    "host aliases merge by address": {
        "spec": {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["hub"]}]}
    },
    "scalars": {"spec": {"priorityClassName": "high", "terminationGracePeriodSeconds": 5}},
    "a security context": {"spec": {"securityContext": {"runAsUser": 1000}}},
    "a deep map": {
        "spec": {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {
                                "matchFields": [
                                    {"key": "metadata.name", "operator": "In", "values": ["n1"]}
                                ]
                            }
                        ]
                    }
                }
            }
        }
    },
    "nothing": {},
}


def by_kubectl(patch: dict[str, Any], folder: Path) -> dict[str, Any]:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"a": "1"}}, "template": TEMPLATE},
    }
    (folder / "d.json").write_text(json.dumps(deployment))
    done = subprocess.run(
        [
            str(binary("kubectl")),
            "patch",
            "--local",
            "--type",
            "strategic",
            "-o",
            "json",
            "-f",
            str(folder / "d.json"),
            "-p",
            json.dumps({"spec": {"template": patch}}),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    template: dict[str, Any] = json.loads(done.stdout)["spec"]["template"]
    return template


def comparable(value: Any) -> Any:
    """Drop what kubectl adds by decoding (empty values), and the order of keyed lists."""
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items() if v not in ({}, [], None)}
    if isinstance(value, list):
        items = [comparable(item) for item in value]
        keyed = items and all(isinstance(i, dict) and ("name" in i or "ip" in i) for i in items)
        return sorted(items, key=lambda i: json.dumps(i, sort_keys=True)) if keyed else items
    return value


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES.keys())
def test_the_merge_is_kubectls(patch: dict[str, Any], tmp_path: Path) -> None:
    before = json.dumps(TEMPLATE)
    ours = strategic_merge(TEMPLATE, patch)
    assert comparable(ours) == comparable(by_kubectl(patch, tmp_path))
    assert json.dumps(TEMPLATE) == before


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        (engine(env=[{"value": "1"}]), "engine.podTemplate.spec.containers[0].env[0].name"),
        ({"spec": {"containers": ["engine"]}}, "must be a map with 'name'"),
        ({"spec": {"$patch": "merg"}}, "'merg' is none of delete, replace, merge"),
        ({"spec": {"$delete": True}}, "engine.podTemplate.spec.$delete"),
        (
            {"spec": {"volumes": [{"name": "a", "$retainKeys": ["name"], "emptyDir": {}}]}},
            "must list every field",
        ),
    ],
)
def test_a_patch_that_makes_no_sense_says_where(patch: dict[str, Any], words: str) -> None:
    with pytest.raises(PodTemplateError) as caught:
        strategic_merge(TEMPLATE, patch)
    assert words in str(caught.value)


def test_primitive_lists_merge_and_lose_what_is_deleted() -> None:
    original = {"metadata": {"finalizers": ["a", "b"]}}
    patch = {"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert strategic_merge(original, patch)["metadata"]["finalizers"] == ["b", "c"]
