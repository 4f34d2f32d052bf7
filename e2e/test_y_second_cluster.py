"""A second cluster beside the first: both answer; one is broken, repaired, removed wholly."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest
from cluster import Cluster as Quickstart
from cluster import eventually

from localcluster import cluster as clusters
from localcluster import nodes, status, teardown
from localcluster.cluster import Cluster
from localcluster.instance import find, get
from localcluster.nodes import GPU_RESOURCE
from localcluster.processes import read_record, wait_gone
from localcluster.resolve import resolve

ASLEEP = None


@pytest.fixture(scope="module")
def beside(cluster: Quickstart) -> Iterator[Cluster]:
    name = f"{cluster.name[:15]}-two"
    yield clusters.up(name)
    if find(name) is not None:
        teardown.remove(get(name))


def answers(side: Cluster) -> bool:
    net = side.instance.network
    found = resolve("kubernetes.default.svc.cluster.local", net.dns)
    return found == net.kubernetes_service


def kill(side: Cluster, component: str) -> None:
    record = read_record(side.instance.runtime / "processes" / f"{component}.json")
    assert record is not None
    with suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGKILL)
    assert wait_gone([record], 60)


def allocatable(side: Cluster, node: str) -> str:
    found = side.kubectl.get("node", node)["status"]["allocatable"]
    return str(found[GPU_RESOURCE])


def test_services_of_both_clusters_answer_at_once(cluster: Quickstart, beside: Cluster) -> None:
    first = Cluster(get(cluster.name))
    assert first.instance.network.services != beside.instance.network.services
    assert answers(first)
    assert answers(beside)


def test_a_second_up_changes_nothing(beside: Cluster) -> None:
    before = {part.name: part.pid for part in status.components(beside.instance)}
    clusters.up(beside.instance.name)
    assert {part.name: part.pid for part in status.components(beside.instance)} == before


def test_a_lost_gpu_leaves_the_count_and_comes_back(beside: Cluster) -> None:
    nodes.write_gpus(beside.instance, "gpu-4090-0", 4, [2])
    eventually(lambda: allocatable(beside, "gpu-4090-0"), lambda count: count == "3")
    nodes.write_gpus(beside.instance, "gpu-4090-0", 4)
    eventually(lambda: allocatable(beside, "gpu-4090-0"), lambda count: count == "4")


def test_up_repairs_what_was_killed(cluster: Quickstart, beside: Cluster) -> None:
    for component in ("etcd", "kubelet.gpu-4090-0", "containerd.gpu-h100-0"):
        kill(beside, component)
    assert not status.report(beside.instance)["running"]
    clusters.up(beside.instance.name)
    assert status.report(beside.instance)["running"]
    assert answers(Cluster(get(cluster.name)))


def test_down_leaves_nothing_and_the_first_cluster_alone(
    cluster: Quickstart, beside: Cluster
) -> None:
    kill(beside, "kube-apiserver")
    teardown.remove(beside.instance)
    assert list(teardown.leftovers(beside.instance)) == []
    assert find(beside.instance.name) is None
    assert answers(Cluster(get(cluster.name)))
