"""Control planes for tests: several at once, and none forgotten."""

import json

import pytest

from localcluster import control_plane, standalone
from localcluster.errors import InvalidNameError
from localcluster.instance import Mode, allocate, find, forget, instances
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


def test_a_control_plane_somebody_keeps_is_not_taken_over() -> None:
    kept = allocate("side-kept", Mode.CONTROL_PLANE)
    try:
        with pytest.raises(InvalidNameError, match="already"), control_plane("side-kept"):
            pytest.fail("it was taken over")
        assert find("side-kept") == kept
    finally:
        forget(kept)
