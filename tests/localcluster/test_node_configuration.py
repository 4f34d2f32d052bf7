"""Two nodes on one machine are configured apart, and Services find their way."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import cgroups, instance, tools
from localcluster.cluster import plane_of
from localcluster.instance import Instance
from localcluster.namespaces import node_binds
from localcluster.nodes import DEFAULT_NODES, read_gpus, write_gpus
from localcluster.nodesoftware import NodeSoftware


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[NodeSoftware]:
    monkeypatch.setenv("TIERWISE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(instance, "runtime_root", lambda: tmp_path / "run")
    monkeypatch.setattr(tools, "binary", lambda program: Path("/bin") / program)
    monkeypatch.setattr(cgroups, "create", lambda _group: None)
    plane = plane_of(Instance("n", 3))
    plane.prepare()
    made = [NodeSoftware(plane, spec, i, "pause:1") for i, spec in enumerate(DEFAULT_NODES)]
    for software in made:
        software.prepare()
    return made


def read(software: NodeSoftware, name: str) -> Any:
    text = (software.etc / name).read_text()
    return tomllib.loads(text) if name.endswith("toml") else yaml.safe_load(text)


def test_each_kubelet_has_a_cgroup_root_of_its_own(nodes: list[NodeSoftware]) -> None:
    roots = [read(software, "kubelet.yaml")["cgroupRoot"] for software in nodes]
    assert roots == ["/tierwise-n/gpu-4090-0", "/tierwise-n/gpu-h100-0"]


def test_each_node_hands_out_pod_addresses_of_its_own(nodes: list[NodeSoftware]) -> None:
    subnets = []
    for software in nodes:
        config = json.loads((software.etc / "cni" / "10-tierwise.conflist").read_text())
        subnets.append(config["plugins"][0]["ipam"]["subnet"])
    net = nodes[0].instance.network
    assert subnets == [str(net.node_pods(0)), str(net.node_pods(1))]


def test_what_comes_from_the_host_is_masqueraded(nodes: list[NodeSoftware]) -> None:
    proxy = read(nodes[0], "kube-proxy.yaml")
    assert proxy["mode"] == "nftables"
    assert proxy["clusterCIDR"] == str(nodes[0].instance.network.pods)


def test_containerd_uses_our_pause_image_and_lowers_no_oom_score(nodes: list[NodeSoftware]) -> None:
    cri = read(nodes[0], "containerd.toml")["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == "pause:1"
    assert cri["restrict_oom_score_adj"] is True


def test_nodes_share_no_folder(nodes: list[NodeSoftware]) -> None:
    one, other = (set(node_binds(n.instance, n.spec.name).values()) for n in nodes)
    assert one.isdisjoint(other)


def test_broken_gpus_survive_a_repeated_up(nodes: list[NodeSoftware]) -> None:
    write_gpus(nodes[0].instance, "gpu-4090-0", 4, [3])
    nodes[0].prepare()
    assert read_gpus(nodes[0].instance, "gpu-4090-0") == (4, (3,))


def test_an_unchanged_file_is_not_written(nodes: list[NodeSoftware]) -> None:
    before = {path: path.stat().st_mtime_ns for path in nodes[0].etc.rglob("*") if path.is_file()}
    assert len(before) == 4
    nodes[0].prepare()
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_an_unchanged_node_keeps_its_daemons(nodes: list[NodeSoftware]) -> None:
    before = [daemon.fingerprint for daemon in nodes[0].daemons()]
    nodes[0].prepare()
    assert [daemon.fingerprint for daemon in nodes[0].daemons()] == before
