"""Control planes for tests: several at once, and none forgotten."""

import json

import pytest

from localcluster import control_plane, standalone
from localcluster.instance import Mode, allocate, find, instances
from localcluster.kubectl import Kubectl

pytestmark = pytest.mark.apiserver

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mark"}}


def test_two_control_planes_run_beside_each_other_and_leave_nothing() -> None:
    with control_plane("side-a") as one, control_plane("side-b") as other:
        Kubectl(one).apply([{**CONFIG_MAP, "data": {"who": "a"}}])
        names = [item["metadata"]["name"] for item in Kubectl(other).get("configmaps")["items"]]
        assert "mark" not in names
    assert {found.name for found in instances()}.isdisjoint({"side-a", "side-b"})


def test_what_a_killed_test_run_left_is_swept() -> None:
    left = allocate("side-dead", Mode.CONTROL_PLANE)
    owner = {"pid": 1, "started_ticks": -1, "fingerprint": "owner"}
    (left.state / "owner.json").write_text(json.dumps(owner))
    standalone.sweep()
    assert find("side-dead") is None
