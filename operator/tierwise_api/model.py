"""The model that a Specialist answers with, where we serve it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Quantity
from tierwise_api.corev1 import SecretRef
from tierwise_api.rules import Rule, matches, unique
from tierwise_core.kv_cache_dtype import KV_CACHE_DTYPES
from tierwise_core.quantities import parse_quantity

__all__ = [
    "Adapter",
    "AdapterLimits",
    "ModelSize",
    "ModelSpec",
]

DEFAULT_MAX_RANK: Final = 16
DEFAULT_MAX_LOADED: Final = 4

SOURCE_PATTERN = r"(hf|pvc|file|s3|oci)://[^\s]+"

Source = Annotated[
    str,
    Field(max_length=1024),
    matches(
        SOURCE_PATTERN,
        "source must say where the files are: hf://OWNER/NAME, pvc://CLAIM/PATH, "
        "file:///ABSOLUTE/PATH, s3://BUCKET/PATH or oci://REGISTRY/NAME:TAG",
    ),
    Rule(
        cel="!self.startsWith('file://') || self.startsWith('file:///')",
        holds=lambda source: not source.startswith("file://") or source.startswith("file:///"),
        message="source must have an absolute path after file://, so three slashes: "
        "file:///models/sorter",
        got='"{self}"',
    ),
]
"""Where the files of a model or an adapter are."""


class Adapter(Spec):
    """A LoRA adapter that the engine serves beside the base model, under its own name."""

    name: Annotated[
        str,
        Field(max_length=63),
        matches(
            "[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?",
            "name must be letters and digits with inner dashes, dots or underscores, "
            "such as customer-a",
        ),
    ] = Field(
        description="Its name behind the Specialist's: requests ask for the model "
        "SPECIALIST:NAME, such as sorter:customer-a.",
        examples=["customer-a"],
    )
    source: Source = Field(
        description="Where the adapter's files are: a directory with adapter_config.json and "
        "adapter_model.safetensors, as PEFT writes them. A new source under the same name is a "
        "candidate, which a rollout tries beside the old one.",
        examples=["file:///models/adapters/customer-a"],
    )


class AdapterLimits(Spec):
    """What the engine keeps room for. Within these limits adapters come and go without a restart.

    The memory is taken when a pod starts, whether or not adapters are loaded. Given without any
    adapter, it prepares the pods for the first one.
    """

    max_rank: Literal[1, 8, 16, 32, 64, 128, 256, 320, 512] = Field(
        default=DEFAULT_MAX_RANK,
        description="The highest rank an adapter may have; one of those that vLLM knows.",
        examples=[16],
    )
    max_loaded: int = Field(
        default=DEFAULT_MAX_LOADED,
        ge=1,
        le=64,
        description="How many adapters may be loaded at the same time.",
        examples=[4],
    )


class ModelSize(Spec):
    """What sizing would otherwise read from the model's own files. Give what they cannot say."""

    weights: Quantity | None = Field(
        default=None,
        description="Bytes of all weights together, over all GPUs, as a quantity.",
        examples=["40Gi"],
    )
    parameters: Quantity | None = Field(
        default=None,
        description="The number of parameters: a count, with a decimal suffix if you like "
        "(20G is 20 billion).",
        examples=[20000000000],
    )
    kv_bytes_per_token: int | None = Field(
        default=None,
        ge=1,
        description="Bytes of KV cache for one token of context, over all GPUs: "
        "2 x layers x KV heads x head dimension x bytes per value.",
        examples=[131072],
    )
    activation: Quantity | None = Field(
        default=None,
        description="Bytes of activations on each GPU, as a quantity.",
        examples=["1Gi"],
    )
    overhead: Quantity | None = Field(
        default=None,
        description="Bytes that the CUDA context and the engine take on each GPU, as a quantity.",
        examples=["1Gi"],
    )

    @property
    def weights_bytes(self) -> int | None:
        """The weights in bytes, or None when the files have to say it."""
        return _optional(self.weights)

    @property
    def parameter_count(self) -> int | None:
        """The number of parameters, or None when the files have to say it."""
        return _optional(self.parameters)

    @property
    def activation_bytes(self) -> int | None:
        """The activations in bytes per GPU, or None for sizing's own estimate."""
        return _optional(self.activation)

    @property
    def overhead_bytes(self) -> int | None:
        """The fixed overhead in bytes per GPU, or None for sizing's own estimate."""
        return _optional(self.overhead)


def _optional(quantity: int | str | None) -> int | None:
    return None if quantity is None else parse_quantity(quantity)


def _adapters_fit(model: ModelSpec) -> bool:
    limits = model.adapter_limits
    return len(model.adapters) <= (limits.max_loaded if limits else DEFAULT_MAX_LOADED)


class ModelSpec(Spec):
    """A model that tierwise runs on the fleet's own GPUs."""

    rules = (
        Rule(
            cel="!has(self.adapters) || self.adapters.size() <= "
            f"(has(self.adapterLimits) ? self.adapterLimits.maxLoaded : {DEFAULT_MAX_LOADED})",
            holds=_adapters_fit,
            message="adapters must not be more than adapterLimits.maxLoaded "
            f"({DEFAULT_MAX_LOADED} where it is left out): raise it, or remove an adapter",
            at="adapters",
        ),
    )

    source: Source = Field(
        description="Where the model's files are: hf://OWNER/NAME on the Hugging Face hub, "
        "pvc://CLAIM/PATH on a volume of the namespace, file:///PATH on the nodes, "
        "s3://BUCKET/PATH or oci://REGISTRY/NAME:TAG.",
        examples=["hf://Qwen/Qwen3-4B", "file:///models/sorter"],
    )
    revision: str | None = Field(
        default=None,
        max_length=253,
        description="The branch, tag or commit of the source. By default the source's own "
        "default; name a commit to make the deployment repeatable.",
        examples=["main"],
    )
    secret_ref: SecretRef | None = Field(
        default=None,
        description="The Secret with the credentials of the source and of the adapters. Keys: "
        "HF_TOKEN for hf://; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and where needed "
        "AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL for s3://; .dockerconfigjson for oci://.",
        examples=[{"name": "model-store"}],
    )
    quantization: str | None = Field(
        default=None,
        max_length=63,
        description="The engine's quantization method. By default what the model's config says.",
        examples=["fp8"],
    )
    kv_cache_dtype: (
        Annotated[
            str,
            Field(max_length=63),
            matches(
                "|".join(KV_CACHE_DTYPES),
                f"kvCacheDtype must be one of the engine's: {', '.join(KV_CACHE_DTYPES)}",
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="The dtype of the KV cache. By default the model's own, in 16 bit; fp8 halves "
        "the cache.",
        examples=["fp8"],
    )
    max_model_len: int | None = Field(
        default=None,
        ge=1,
        description="The longest context, prompt and answer together, in tokens. It sizes the KV "
        "cache. By default what config.json says.",
        examples=[8192],
    )
    adapters: Annotated[
        list[Adapter],
        Field(max_length=64),
        unique("adapters must have names of their own: two have the same", key="name"),
    ] = Field(
        default_factory=list,
        description="LoRA adapters that are served beside the base model. Adding and removing "
        "them restarts no pod while they stay within adapterLimits.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )
    adapter_limits: AdapterLimits | None = Field(
        default=None,
        description="What the engine keeps room for. Left out, rank 16 and 4 adapters, from the "
        "first adapter on; give it to have the room before there is one. A change restarts pods.",
        examples=[{"maxRank": 16, "maxLoaded": 4}],
    )
    size: ModelSize | None = Field(
        default=None,
        description="Overrides for sizing: needed where the source's files do not say it (an "
        "unknown architecture, weights that are no safetensors), useful to correct an estimate.",
        examples=[{"weights": "40Gi"}],
    )
