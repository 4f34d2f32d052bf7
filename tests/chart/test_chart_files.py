"""Where the chart keeps files and batches: never where two pods would see different ones."""

from typing import Any

import pytest
from helmchart import container_of, environment_of, pod_of, rendered, the

pytestmark = pytest.mark.apiserver

WHERE = "/var/lib/tierwise/files"
CLAIMED: Any = {"router": {"files": {"claim": {"existing": "shared"}}}}
MADE: Any = {"router": {"files": {"claim": {"create": True, "size": "3Gi"}}}}


def volume(values: dict[str, Any]) -> dict[str, Any] | None:
    pod = pod_of(rendered(values), "tierwise-router")
    mounts = container_of(rendered(values), "tierwise-router")["volumeMounts"]
    found = [each for each in pod["volumes"] if each["name"] == "files"]
    assert [each["mountPath"] for each in mounts if each["name"] == "files"] == [WHERE] * len(found)
    environment = environment_of(rendered(values), "tierwise-router")
    assert environment.get("TIERWISE_FILES_DIR") == (WHERE if found else None)
    return found[0] if found else None


def test_two_replicas_without_a_common_directory_keep_nothing() -> None:
    assert volume({}) is None


def test_one_replica_keeps_files_as_long_as_its_pod_lives() -> None:
    assert volume({"router": {"replicas": 1}}) == {
        "name": "files",
        "emptyDir": {"sizeLimit": "5Gi"},
    }


def test_a_claim_or_a_volume_serves_all_replicas() -> None:
    host = {"hostPath": {"path": "/srv/files"}}

    assert volume(CLAIMED) == {"name": "files", "persistentVolumeClaim": {"claimName": "shared"}}
    assert volume({"router": {"files": {"volume": host}}}) == {"name": "files", **host}


def test_a_claim_that_is_made_outlives_the_release() -> None:
    made = the(rendered(MADE), "PersistentVolumeClaim", "tierwise-router-files")

    assert made["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert made["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "3Gi"}},
    }
    assert volume(MADE) == {
        "name": "files",
        "persistentVolumeClaim": {"claimName": "tierwise-router-files"},
    }


def test_it_can_be_switched_off() -> None:
    assert volume({"router": {"replicas": 1, "files": {"enabled": False}}}) is None
