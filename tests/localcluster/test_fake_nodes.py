"""Fake nodes look like GPU nodes and keep off whatever does not mean them."""

from localcluster.addons import dns
from localcluster.fake_nodes import TAINT, manifest
from localcluster.instance import Instance
from localcluster.nodes import DEFAULT_NODES, GPUS, NodeSpec

FAKE = manifest(NodeSpec("kwok-h100-0", GPUS["h100"], 8))


def test_a_fake_node_counts_its_gpus() -> None:
    assert FAKE["status"]["allocatable"]["nvidia.com/gpu"] == "8"
    assert FAKE["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-H100-80GB-HBM3"
    assert FAKE["metadata"]["labels"]["nvidia.com/gpu.memory"] == "81559"


def test_a_fake_node_is_tainted_and_marked_for_kwok() -> None:
    assert FAKE["spec"]["taints"] == [TAINT]
    assert FAKE["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}


def test_dns_never_lands_on_a_fake_node() -> None:
    (deployment,) = (o for o in dns(Instance("n", 0).network, "dns:1") if o["kind"] == "Deployment")
    affinity = deployment["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    ((term,),) = (
        t["matchExpressions"]
        for t in affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    )
    assert term["operator"] == "NotIn"
    assert FAKE["metadata"]["labels"][term["key"]] in term["values"]


def test_the_real_nodes_are_of_two_tiers() -> None:
    assert {(spec.gpu.product, spec.gpus) for spec in DEFAULT_NODES} == {
        ("NVIDIA-GeForce-RTX-4090", 4),
        ("NVIDIA-H100-80GB-HBM3", 2),
    }
