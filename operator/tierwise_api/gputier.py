"""GPUTier: one class of GPU in the fleet, what it costs and when to trust it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tierwise_api.base import Column, Names, Resource, Spec, Status
from tierwise_api.common import Conditions, Fraction01, Quantity, TierName
from tierwise_api.corev1 import Toleration
from tierwise_api.gputier_price import GPUTierPrice
from tierwise_api.rules import Rule, matches
from tierwise_core.quantities import parse_quantity

__all__ = [
    "GPU",
    "CorrectionStatus",
    "GPUCount",
    "GPUTier",
    "GPUTierSpec",
    "GPUTierStatus",
]

PRODUCT_LABEL = "nvidia.com/gpu.product"


class GPU(Spec):
    """The hardware of one GPU of the tier."""

    product: Annotated[
        str,
        Field(max_length=63),
        matches(
            "[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?",
            "product must be written as in the node label nvidia.com/gpu.product, "
            "such as NVIDIA-GeForce-RTX-4090",
        ),
    ] = Field(
        description="The product as GPU feature discovery labels it. A product of the built-in "
        "catalogue brings memory, bandwidthGBs and tdpWatts with it.",
        examples=["NVIDIA-GeForce-RTX-4090"],
    )
    memory: Quantity | None = Field(
        default=None,
        description="Memory of one GPU, in bytes, as a quantity. Needed for a product that the "
        "catalogue does not know.",
        examples=["24Gi"],
    )
    bandwidth_gbs: float | None = Field(
        default=None,
        gt=0,
        description="Memory bandwidth of one GPU, in gigabytes per second. By default the "
        "catalogue's.",
        examples=[1008],
    )
    tdp_watts: float | None = Field(
        default=None,
        gt=0,
        description="Power that one GPU draws under full load, in watts. By default the "
        "catalogue's.",
        examples=[450],
    )

    @property
    def memory_bytes(self) -> int | None:
        """The memory in bytes, or None where the catalogue has to say it."""
        return None if self.memory is None else parse_quantity(self.memory)


class GPUTierSpec(Spec):
    """A class of GPUs, the nodes that have them, their price, and how far to trust their models."""

    gpu: GPU
    node_selector: (
        Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)] | None
    ) = Field(
        default=None,
        description="Labels that a node of the tier has. By default the one label "
        "nvidia.com/gpu.product with the value of gpu.product.",
        examples=[{"nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-4090"}],
    )
    tolerations: list[Toleration] = Field(
        default_factory=list,
        max_length=32,
        description="Taints of the tier's nodes that the engine's pods tolerate.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    resource_name: Annotated[
        str,
        Field(max_length=317),
        matches(
            r"([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z0-9]+/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?",
            "resourceName must be the extended resource that a device plugin offers, "
            "such as nvidia.com/gpu or nvidia.com/mig-1g.10gb",
        ),
    ] = Field(
        default="nvidia.com/gpu",
        description="The extended resource a pod requests for one GPU of the tier. A MIG profile "
        "has its own.",
        examples=["nvidia.com/mig-1g.10gb"],
    )
    price: GPUTierPrice
    interconnect_gbs: float | None = Field(
        default=None,
        gt=0,
        description="Bandwidth between two GPUs of one node, in gigabytes per second. It is noted; "
        "no estimate reckons with it yet.",
        examples=[64],
    )
    confidence_floor: Fraction01 | None = Field(
        default=None,
        description="The least confidence, 0 to 1, at which an answer from this tier is accepted; "
        "below it the request escalates. A Specialist's own floor comes first.",
        examples=[0.80],
    )
    escalate_to: TierName | None = Field(
        default=None,
        description="The GPUTier that takes over when no answer of this one is confident enough.",
        examples=["h100"],
    )
    usable_fraction: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="The share of the memory, above 0 and up to 1, that the engine may use.",
        examples=[0.85],
    )
    kueue_resource_flavor: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="The Kueue ResourceFlavor that stands for these nodes, where Kueue admits "
        "the pods.",
        examples=["spot-4090"],
    )

    @property
    def effective_node_selector(self) -> dict[str, str]:
        """The labels that a node of the tier has, the default filled in."""
        return self.node_selector or {PRODUCT_LABEL: self.gpu.product}


class GPUCount(Status):
    """How many GPUs the tier's nodes have."""

    capacity: int = Field(default=0, ge=0, description="GPUs on nodes of the tier.")
    allocated: int = Field(default=0, ge=0, description="GPUs that pods have requested.")
    free: int = Field(default=0, ge=0, description="GPUs on ready nodes that no pod requested.")


class CorrectionStatus(Status):
    """What the tier's own loads taught about the estimate; applied to every model placed there."""

    samples: int = Field(default=0, ge=0, description="Loads it was learned from.")
    weights_factor: float = Field(
        default=1, ge=0, description="The estimate of the weights is multiplied by this."
    )
    overhead_bytes: int = Field(
        default=0, description="Added to the estimate of the overhead of each GPU, in bytes."
    )
    error_percent: float = Field(
        default=0,
        description="Median error of the uncorrected estimate, in percent of the memory taken: "
        "above 0 it was too high.",
    )


class GPUTierStatus(Status):
    """What the operator sees of the tier."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The metadata.generation this status describes."
    )
    conditions: Conditions = Field(default_factory=list)
    nodes: int | None = Field(default=None, ge=0, description="Nodes that match the tier.")
    gpus: GPUCount | None = Field(default=None, description="Its GPUs, counted over those nodes.")
    memory: str | None = Field(
        default=None,
        max_length=32,
        description="Memory of one GPU: the spec's, else the catalogue's.",
        examples=["24Gi"],
    )
    usd_per_hour: float | None = Field(
        default=None, ge=0, description="Price of all its GPUs for one hour, in USD."
    )
    correction: CorrectionStatus | None = Field(
        default=None, description="The learned correction of the memory estimate."
    )


class GPUTier(Resource):
    """One class of GPU in the fleet: which nodes have it, what it costs, when to trust it.

    Specialists are placed on the cheapest tier they fit, and requests escalate from tier to tier.

    Example::

        apiVersion: tierwise.dev/v1alpha1
        kind: GPUTier
        metadata: {name: rtx-4090}
        spec:
          gpu: {product: NVIDIA-GeForce-RTX-4090, memory: 24Gi}
          price: {perGPUHour: 0.40}
          confidenceFloor: 0.80
          escalateTo: h100
    """

    names: ClassVar = Names(
        plural="gputiers",
        short="gt",
        namespaced=False,
        columns=(
            Column(name="GPU", path=".spec.gpu.product", description="The GPU's product."),
            Column(name="Memory", path=".status.memory", description="Memory of one GPU."),
            Column(name="Nodes", path=".status.nodes", type="integer"),
            Column(name="GPUs", path=".status.gpus.capacity", type="integer"),
            Column(name="Free", path=".status.gpus.free", type="integer"),
            Column(name="USD/GPU-h", path=".spec.price.perGPUHour", type="number"),
            Column(name="Floor", path=".spec.confidenceFloor", type="number", priority=1),
            Column(name="Escalate To", path=".spec.escalateTo", priority=1),
            Column(name="Ready", path='.status.conditions[?(@.type=="Ready")].status'),
            Column(name="Reason", path='.status.conditions[?(@.type=="Ready")].reason', priority=1),
            Column(name="Age", path=".metadata.creationTimestamp", type="date"),
        ),
    )
    rules = (
        Rule(
            cel="self.metadata.name.size() <= 63",
            holds=lambda self: len(self.metadata.name) <= 63,  # noqa: PLR2004 - a label's length
            message="metadata.name must have at most 63 characters: it becomes the label "
            "tierwise.dev/tier of the tier's pods",
            at="metadata.name",
        ),
        Rule(
            cel="!has(self.spec.escalateTo) || self.spec.escalateTo != self.metadata.name",
            holds=lambda self: self.spec.escalate_to != self.metadata.name,
            message="escalateTo must name another, stronger GPUTier, or be left out on the "
            "strongest one",
            got='the tier itself, "{self.spec.escalateTo}"',
            at="spec.escalateTo",
        ),
    )

    kind: Literal["GPUTier"] = "GPUTier"
    spec: GPUTierSpec
    status: GPUTierStatus = Field(default_factory=GPUTierStatus)
