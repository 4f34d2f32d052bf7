"""How a Specialist is run and asked: placement, routing and the engine in its pods."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Fraction01, Name, TierName
from tierwise_api.corev1 import EnvVar
from tierwise_api.rules import Rule, unique
from tierwise_api.scaling import AlternativeRef, ScalingSpec, target_in_flight

__all__ = ["DEFAULT_ENGINE_IMAGE", "EngineSpec", "PlacementSpec", "Replicas", "RoutingSpec"]

DEFAULT_ENGINE_IMAGE = "vllm/vllm-openai:v0.33.0"

_OWNED_ARGS = ("--port", "--served-model-name", "--tensor-parallel-size", "-tp")
# What one object's status can list with its endpoints, two revisions side by side.
MAX_REPLICAS = 1_000


class Replicas(Spec):
    """How many pods answer at the same time."""

    rules = (
        Rule(
            cel="!has(self.max) || self.max >= self.min",
            holds=lambda self: self.max is None or self.max >= self.min,
            message="replicas.max must be at least replicas.min: raise max, lower min, or leave "
            "max out",
            got="min {self.min} and max {self.max}",
            at="max",
        ),
    )

    min: int = Field(
        default=1,
        ge=0,
        le=MAX_REPLICAS,
        description="Replicas that always run. kubectl scale, an HPA or KEDA set this number. 0 "
        "lets the Specialist rest: with a max of 1 or more a request wakes it.",
        examples=[1],
    )
    max: int | None = Field(
        default=None,
        ge=1,
        le=MAX_REPLICAS,
        description="Replicas it may grow to under load, chosen by tierwise. Leave it out where "
        "an HPA, KEDA or a person chooses the number: then it is min.",
        examples=[3],
    )

    @property
    def effective_max(self) -> int:
        """The most replicas there may be, the default filled in."""
        return self.min if self.max is None else self.max


class PlacementSpec(Spec):
    """Where the model may run, on how many replicas, and for what load it is sized."""

    rules = (
        Rule(
            cel="!has(self.burst) || self.burst != 'Switch' || has(self.alternative)",
            holds=lambda self: self.burst != "Switch" or self.alternative is not None,
            message="burst Switch needs somewhere to send requests: name an external Specialist "
            "in placement.alternative.specialistRef, or leave burst out",
            at="burst",
        ),
    )

    tiers: Annotated[
        list[TierName],
        Field(max_length=32),
        unique("tiers must name each GPUTier once: remove the repeated name"),
    ] = Field(
        default_factory=list,
        description="The GPUTiers it may run on; the cheapest that fits is taken. Left out, any "
        "tier.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["rtx-4090", "h100"]],
    )
    replicas: Replicas = Field(
        default_factory=Replicas,
        description="How many pods answer at the same time.",
        examples=[{"min": 1, "max": 3}],
    )
    target_concurrency: int = Field(
        default=8,
        ge=1,
        le=100_000,
        description="Requests that one replica answers at the same time. It sizes the KV cache.",
        examples=[16],
    )
    tensor_parallel: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Over how many GPUs of one node the model is cut. By default the fewest of "
        "1, 2, 4 and 8 that fit.",
        examples=[2],
    )
    nodes_per_replica: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Over how many nodes one replica is cut by layers (pipeline parallelism), each "
        "with tensorParallel GPUs. More than 1 needs LeaderWorkerSet in the cluster.",
        examples=[2],
    )
    queue: Name | None = Field(
        default=None,
        description="The Kueue LocalQueue of the namespace that admits its pods. Effective on "
        "tiers that name a kueueResourceFlavor.",
        examples=["research"],
    )
    scaling: ScalingSpec = Field(
        default_factory=ScalingSpec,
        description="How the number between replicas.min and replicas.max is chosen.",
        examples=[{"scaleDownAfter": "10m", "whenAsleep": "Escalate"}],
    )
    alternative: AlternativeRef | None = Field(
        default=None,
        description="An external Specialist that could answer instead: status.dedicated then says "
        "which is cheaper for the observed load, and what mix would be cheapest.",
        examples=[{"specialistRef": "sorter-api"}],
    )
    burst: Literal["Advise", "Switch"] = Field(
        default="Advise",
        description="Switch acts on the comparison with the alternative: own replicas grow to "
        "status.burst.baseReplicas, and requests above those go to the alternative. Advise only "
        "tells.",
        examples=["Switch"],
    )

    @property
    def target_in_flight(self) -> float:
        """The requests one replica should have at a time, the default filled in."""
        return target_in_flight(self.scaling, self.target_concurrency)


class RoutingSpec(Spec):
    """How requests find the Specialist, and when its answers count."""

    examples: list[Annotated[str, Field(min_length=1, max_length=2048)]] = Field(
        default_factory=list,
        max_length=512,
        description="Questions of its field, as people ask them. The router learns the field "
        "from them, so vary the wording; ten are a good start.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        examples=[["sort dbca", "put these letters in order: q c a"]],
    )
    confidence_floor: Fraction01 | None = Field(
        default=None,
        description="The least confidence, 0 to 1, at which its answer is accepted; below it the "
        "request escalates. By default 0.85, or its tier's floor where that is higher; for the "
        "field general, its tier's floor.",
        examples=[0.85],
    )
    escalate_to: Annotated[
        list[Name],
        Field(max_length=8),
        unique("escalateTo must name each Specialist once: remove the repeated name"),
    ] = Field(
        default_factory=list,
        description="Specialists of the same namespace that are asked next, in this order. By "
        "default the parent, then the generalists of the tier above.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        examples=[["frontier"]],
    )
    verifiers: list[Name] = Field(
        default_factory=list,
        max_length=16,
        description="Verifiers that check its answers. By default the field profile's.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["json-schema"]],
    )
    latency_class: Literal["Interactive", "Batch"] = Field(
        default="Interactive",
        description="Interactive when somebody waits for the answer, Batch when throughput "
        "counts more.",
        examples=["Batch"],
    )
    on_uncertain: Literal["Abstain", "HumanReview"] = Field(
        default="Abstain",
        description="What happens when nobody, up to the last tier, is confident enough: Abstain "
        "refuses with the reasons, HumanReview hands over to a person.",
        examples=["HumanReview"],
    )
    compliance: list[Annotated[str, Field(min_length=1, max_length=63)]] = Field(
        default_factory=list,
        max_length=32,
        description="Standards that are met where its pods run. A request that asks for standards "
        "reaches only Specialists that list them, here or in external.compliance.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["HIPAA"]],
    )
    region: str | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        description="Where its pods run, for requests that ask for a region. An external one has "
        "external.region.",
        examples=["eu-central-1"],
    )


class EngineSpec(Spec):
    """The inference engine in the pods; any server that speaks vLLM's arguments and API."""

    image: str = Field(
        default=DEFAULT_ENGINE_IMAGE,
        min_length=1,
        max_length=1024,
        description="The engine's image.",
        examples=["vllm/vllm-openai:v0.33.0"],
    )
    args: Annotated[
        list[Annotated[str, Field(max_length=4096)]],
        Field(max_length=128),
        Rule(
            cel="!self.exists(arg, arg.matches("
            "'^(--port|--served-model-name|--tensor-parallel-size|-tp)(=.*)?$'))",
            holds=lambda args: not any(arg.split("=", 1)[0] in _OWNED_ARGS for arg in args),
            message="args must not hold --port, --served-model-name or --tensor-parallel-size: "
            "tierwise sets them; write placement.tensorParallel for the last",
        ),
    ] = Field(
        default_factory=list,
        description="Arguments added after those that tierwise sets.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        examples=[["--enforce-eager", "--enable-prefix-caching"]],
    )
    env: Annotated[
        list[EnvVar],
        Field(max_length=128),
        unique("env must have each name once: remove the repeated variable", key="name"),
    ] = Field(
        default_factory=list,
        description="Environment variables of the engine's container.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        examples=[[{"name": "HF_HUB_OFFLINE", "value": "1"}]],
    )
    pod_template: dict[str, Any] | None = Field(
        default=None,
        description="A strategic merge patch on the pod template that tierwise makes, for "
        "whatever a cluster needs: volumes, annotations, security context. The engine's container "
        "is named engine.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
        examples=[{"spec": {"priorityClassName": "high"}}],
    )
