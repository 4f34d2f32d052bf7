"""What the operator keeps of a Specialist: what decides of the spec, and the last status."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tierwise_core.model_metadata import AdapterLimits, ModelMetadata, SizeOverrides
from tierwise_core.provider import NO_TERMS, ProviderTerms
from tierwise_core.route_table import Price
from tierwise_core.scaling_policy import ScalingPolicy

NOT_SCALED = ScalingPolicy(1, 1, 6.4)


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter: the name requests use, and where its files are."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """``spec.model``: where the weights are and how to load them.

    ``secret_name`` is the Secret of the namespace with the source's credentials; empty for none.
    """

    source: str
    revision: str | None = None
    quantization: str | None = None
    kv_cache_dtype: str | None = None
    max_model_len_tokens: int | None = None
    adapters: tuple[Adapter, ...] = ()
    adapter_limits: AdapterLimits | None = None
    size: SizeOverrides = dataclasses.field(default_factory=SizeOverrides)
    secret_name: str = ""

    @property
    def lora(self) -> AdapterLimits | None:
        """What the engine keeps room for; None when it serves the base model alone.

        >>> ModelSpec("hf://a/b").lora is None
        True
        >>> ModelSpec("hf://a/b", adapters=(Adapter("x", "hf://a/x"),)).lora
        AdapterLimits(max_rank=16, max_loaded=4, target_modules=())
        """
        if self.adapter_limits is not None:
            return self.adapter_limits
        return AdapterLimits() if self.adapters else None


@dataclass(frozen=True, slots=True)
class ExternalSpec:
    """``spec.external``: an endpoint that somebody else runs."""

    base_url: str
    model: str
    price: Price | None = None
    terms: ProviderTerms = NO_TERMS


@dataclass(frozen=True, slots=True)
class PlacementSpec:
    """``spec.placement``: which tiers, how many replicas, how many requests at once."""

    tiers: tuple[str, ...] = ()
    min_replicas: int = 1
    max_replicas: int = 1
    target_concurrency: int = 8
    tensor_parallel: int | None = None
    nodes_per_replica: int = 1
    queue: str | None = None
    scaling: ScalingPolicy = NOT_SCALED
    alternative: str | None = None
    bursts: bool = False


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """``spec.engine``: the image and whatever the user adds to the pod."""

    image: str
    args: tuple[str, ...] = ()
    env: tuple[Mapping[str, Any], ...] = ()
    pod_template: Mapping[str, Any] | None = None


ROLLOUTS_KEPT: Final = 10
"""How many ended Rollouts stay where nobody says; as many as a Deployment keeps of its own."""


@dataclass(frozen=True, slots=True)
class Specialist:
    """One Specialist as last observed, or one side of it while a rollout is under way.

    ``invalid`` says why the spec could not be read; then every other field of the spec is a
    default and nothing may be concluded from it. ``status`` is the wire form of what is published.
    ``rollout`` is ``spec.rollout`` likewise, None where the spec has none, and ``rollouts_kept``
    how many ended Rollouts are kept.

    ``side`` is "green" for the candidate of a rollout, with ``model`` the candidate's, and empty
    otherwise. ``mark`` tells apart pods that differ in nothing but an adapter's files.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    field: str = ""
    parent: str | None = None
    model: ModelSpec | None = None
    external: ExternalSpec | None = None
    priority: int = 0
    placement: PlacementSpec = dataclasses.field(default_factory=PlacementSpec)
    escalate_to: tuple[str, ...] = ()
    verifiers: tuple[str, ...] = ()
    compliance: tuple[str, ...] = ()
    region: str = ""
    engine: EngineSpec = dataclasses.field(default_factory=lambda: EngineSpec(image=""))
    rollout: Mapping[str, Any] | None = None
    rollouts_kept: int = ROLLOUTS_KEPT
    side: str = ""
    mark: str = ""
    deleting: bool = False
    invalid: str | None = None
    status: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """The name in every plan: ``namespace/name``, and the side where that is not blue's.

        >>> Specialist("default", "sorter", "u", 1).key
        'default/sorter'
        >>> Specialist("default", "sorter", "u", 1, side="green").key
        'default/sorter#green'
        """
        return f"{self.full_name}#{self.side}" if self.side else self.full_name

    @property
    def full_name(self) -> str:
        """``namespace/name``, whatever the side: what requests and objects know it by."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class ReadingPending:
    """The model's metadata is being read; ``waited_seconds`` since it was first asked for."""

    waited_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ReadingFailed:
    """The model's metadata could not be read: a condition's reason, and a message with a remedy."""

    reason: str
    message: str


Reading = ModelMetadata | ReadingFailed | ReadingPending
"""What is known of a model's metadata."""
