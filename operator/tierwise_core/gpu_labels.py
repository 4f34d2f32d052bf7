"""Which GPUs a node has, read from the labels that its cloud or its vendor's software puts there.

====================================== ==========================================================
label                                  written by
====================================== ==========================================================
``nvidia.com/gpu.product``             NVIDIA's GPU feature discovery; ``.memory``, ``.replicas``
``amd.com/gpu.product-name``           AMD's node labeller, also below ``beta.amd.com``; ``.vram``
``cloud.google.com/gke-accelerator``   GKE; ``gke-gpu-partition-size`` names a MIG profile
``karpenter.k8s.aws/instance-gpu-*``   Karpenter on AWS, and EKS Auto below ``eks.amazonaws.com``
``karpenter.azure.com/sku-gpu-name``   Karpenter on Azure (AKS node auto provisioning)
``k8s.amazonaws.com/accelerator``      eksctl's and the cluster autoscaler's convention on AWS
``node.kubernetes.io/instance-type``   every cloud: the last resort, by the tables of instance types
====================================== ==========================================================

The first that is there counts, in that order: the driver's own word before the cloud's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tierwise_core.catalogue import PRODUCTS, GPUProduct, find_product
from tierwise_core.errors import InvalidSizeError
from tierwise_core.fleet import Node
from tierwise_core.gpu_instances import product_of_instance_type
from tierwise_core.quantities import parse_quantity

__all__ = ["NVIDIA_PRODUCT", "GPUOffer", "is_gpu_resource", "offers_of", "slice_bytes"]

MIB, GIB = 2**20, 2**30
MIG_RESOURCE: Final = re.compile(r"nvidia\.com/mig-(?P<profile>[0-9]+g\.(?P<gigabytes>[0-9]+)gb.*)")
PROFILE: Final = re.compile(r"[0-9]+g\.(?P<gigabytes>[0-9]+)gb.*")
GPU_RESOURCES: Final = ("nvidia.com/gpu", "nvidia.com/gpu.shared", "amd.com/gpu")
NVIDIA_PRODUCT: Final = "nvidia.com/gpu.product"
GKE_PARTITION: Final = "cloud.google.com/gke-gpu-partition-size"
INSTANCE_TYPE: Final = "node.kubernetes.io/instance-type"
SHARED_BY: Final = ("nvidia.com/gpu.replicas", "cloud.google.com/gke-max-shared-clients-per-gpu")
MIG_SHARE: Final = 0.95
"""A slice reports 95 % of the gigabytes in its profile's name: 4864 MiB of 1g.5gb."""


@dataclass(frozen=True, slots=True)
class GPUOffer:
    """One kind of GPU that a node offers to pods.

    Attributes:
        node: the node's name.
        product: the catalogue's name where it knows the product, else the label's.
        resource_name: the extended resource that pods ask for.
        count: how many of it.
        selector: the labels that tell such nodes from others.
        memory_bytes: the memory of one, as the labels say it; ``None`` leaves it to the catalogue.
        profile: the MIG profile; empty for a whole GPU.
        shared_by: how many pods a GPU is handed to at the same time.
    """

    node: str
    product: str
    resource_name: str
    count: int
    selector: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int | None = None
    profile: str = ""
    shared_by: int = 1


@dataclass(frozen=True, slots=True)
class _Named:
    """What the labels say of a node's GPU."""

    product: str
    selector: Mapping[str, str]
    memory_bytes: int | None = None


def is_gpu_resource(name: str) -> bool:
    """Say whether an extended resource is a GPU or a slice of one.

    >>> is_gpu_resource("nvidia.com/mig-1g.10gb"), is_gpu_resource("vpc.amazonaws.com/efa")
    (True, False)
    """
    return name in GPU_RESOURCES or MIG_RESOURCE.fullmatch(name) is not None


def offers_of(node: Node) -> tuple[GPUOffer, ...] | None:
    """Return what a node offers, by resource; ``None`` if it has GPUs that no label names.

    >>> labels = {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    >>> [(o.product, o.count) for o in offers_of(Node("n", labels, {"nvidia.com/gpu": 2}))]
    [('NVIDIA-L4', 2)]
    >>> offers_of(Node("n", {}, {"nvidia.com/gpu": 2})) is None
    True
    """
    resources = sorted(name for name in node.gpus if is_gpu_resource(name))
    if not resources:
        return ()
    named = _named(node.labels)
    if named is None:
        return None
    return tuple(_offer(node, resource, named) for resource in resources)


def _offer(node: Node, resource: str, named: _Named) -> GPUOffer:
    mig = MIG_RESOURCE.fullmatch(resource)
    partition = node.labels.get(GKE_PARTITION, "")
    profile = mig["profile"] if mig else partition
    shared = _shared_by(node.labels)
    return GPUOffer(
        node=node.name,
        product=f"{named.product}-MIG-{profile}" if profile else named.product,
        resource_name=resource,
        count=node.gpus[resource],
        selector={**named.selector, **({GKE_PARTITION: partition} if partition else {})},
        memory_bytes=_slice_memory(node.labels, resource, profile)
        if profile
        else named.memory_bytes,
        profile=profile,
        shared_by=shared,
    )


def slice_bytes(profile: str) -> int | None:
    """Return the memory of a MIG slice by its profile's name, or None if it is no profile.

    >>> slice_bytes("1g.5gb") // 2**20, slice_bytes("whole")
    (4864, None)
    """
    match = PROFILE.fullmatch(profile)
    return int(int(match["gigabytes"]) * GIB * MIG_SHARE) if match else None


def _slice_memory(labels: Mapping[str, str], resource: str, profile: str) -> int | None:
    """The label of the profile (``nvidia.com/mig-1g.5gb.memory``), else the profile's name."""
    return _mebibytes(labels.get(f"{resource}.memory")) or slice_bytes(profile)


def _shared_by(labels: Mapping[str, str]) -> int:
    """How many pods share a GPU by time slicing; 1 where none do."""
    told = [labels.get(label, "") for label in SHARED_BY]
    return max([1, *(int(count) for count in told if count.isdigit())])


def _named(labels: Mapping[str, str]) -> _Named | None:
    """The first label that names the product."""
    for read in _READERS:
        found = read(labels)
        if found is not None:
            return found
    return None


def _by_nvidia(labels: Mapping[str, str]) -> _Named | None:
    product = labels.get(NVIDIA_PRODUCT)
    if not product:
        return None
    known = find_product(product)
    name = known.name if known else product.removesuffix("-SHARED")
    memory = _mebibytes(labels.get("nvidia.com/gpu.memory"))
    return _Named(name, {NVIDIA_PRODUCT: product}, memory)


def _by_amd(labels: Mapping[str, str]) -> _Named | None:
    for prefix in ("amd.com", "beta.amd.com"):
        label = f"{prefix}/gpu.product-name"
        if product := labels.get(label):
            known = find_product(product)
            memory = None if known else _gibibytes(labels.get(f"{prefix}/gpu.vram"))
            name = known.name if known else product.replace("_", "-")
            return _Named(name, {label: product}, memory)
    return None


def _by_gke(labels: Mapping[str, str]) -> _Named | None:
    return _by_cloud(labels, "cloud.google.com/gke-accelerator")


def _by_eks(labels: Mapping[str, str]) -> _Named | None:
    for prefix in ("karpenter.k8s.aws", "eks.amazonaws.com"):
        label, memory = f"{prefix}/instance-gpu-name", f"{prefix}/instance-gpu-memory"
        if label in labels:
            return _by_cloud(labels, label, memory)
    return _by_cloud(labels, "k8s.amazonaws.com/accelerator")


def _by_azure(labels: Mapping[str, str]) -> _Named | None:
    return _by_cloud(labels, "karpenter.azure.com/sku-gpu-name")


def _by_instance_type(labels: Mapping[str, str]) -> _Named | None:
    kind = labels.get(INSTANCE_TYPE, "")
    product = product_of_instance_type(kind)
    return _Named(product, {INSTANCE_TYPE: kind}) if product else None


def _by_cloud(labels: Mapping[str, str], label: str, memory_label: str = "") -> _Named | None:
    """A cloud's own name of a product, with a memory label where one name means several."""
    value = labels.get(label)
    if not value:
        return None
    known, memory = find_product(value), _mebibytes(labels.get(memory_label))
    among = _same_family(value)
    if memory and len(among) > 1:
        closest = min(among, key=lambda product: abs(product.memory_bytes - memory))
        return _Named(closest.name, {label: value, memory_label: labels[memory_label]})
    if known is not None:
        return _Named(known.name, {label: value})
    return _Named(among[0].name if among else value, {label: value}, memory)


def _same_family(value: str) -> tuple[GPUProduct, ...]:
    """The products that a short name such as ``a100`` may mean.

    >>> [product.name for product in _same_family("v100")][:2]
    ['Tesla-V100-SXM2-32GB', 'Tesla-V100-SXM2-16GB']
    """
    words = re.compile(rf"(^|-){re.escape(value)}(-|$)", re.IGNORECASE)
    return tuple(product for product in PRODUCTS if words.search(product.name))


def _mebibytes(label: str | None) -> int | None:
    return int(label) * MIB if label and label.isdigit() and int(label) else None


def _gibibytes(label: str | None) -> int | None:
    """``192G`` as AMD's labeller writes it, which means binary gigabytes."""
    try:
        return parse_quantity(f"{label}i") if label else None
    except InvalidSizeError:
        return None


_READERS: Final[tuple[Callable[[Mapping[str, str]], _Named | None], ...]] = (
    _by_nvidia,
    _by_amd,
    _by_gke,
    _by_eks,
    _by_azure,
    _by_instance_type,
)
