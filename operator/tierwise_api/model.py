"""What a Specialist answers with: a model we serve, or an endpoint somebody else serves."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Date, Quantity, Text
from tierwise_api.corev1 import SecretKeyRef, SecretRef
from tierwise_api.rules import Rule, matches, unique
from tierwise_core.kv_cache_dtype import KV_CACHE_DTYPES
from tierwise_core.quantities import parse_quantity

__all__ = [
    "Adapter",
    "AdapterLimits",
    "ExternalLimits",
    "ExternalPrice",
    "ExternalSpec",
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
        "adapter_model.safetensors, as PEFT writes them. A new source is a new adapter, which is "
        "loaded in place of the old one.",
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


class ExternalPrice(Spec):
    """What the provider charges per million tokens."""

    input_per_million_tokens: float = Field(
        ge=0, description="USD for a million prompt tokens.", examples=[2.50]
    )
    output_per_million_tokens: float = Field(
        ge=0, description="USD for a million answer tokens.", examples=[10.0]
    )
    cached_input_per_million_tokens: float | None = Field(
        default=None,
        ge=0,
        description="USD for a million prompt tokens that the provider had cached. By default "
        "the price of input.",
        examples=[1.25],
    )


class ExternalLimits(Spec):
    """What the provider allows the account; all routers together stay below it."""

    requests_per_minute: int | None = Field(
        default=None, ge=1, description="Requests per minute.", examples=[500]
    )
    tokens_per_minute: int | None = Field(
        default=None,
        ge=1,
        description="Tokens per minute, prompts and answers together.",
        examples=[200000],
    )
    max_concurrency: int | None = Field(
        default=None, ge=1, description="Requests at the same time.", examples=[32]
    )
    context_tokens: int | None = Field(
        default=None,
        ge=1,
        description="The longest context of the model, prompt and answer together, in tokens: what "
        "is longer is not sent there.",
        examples=[128000],
    )


class ExternalSpec(Spec):
    """A model behind an OpenAI-compatible endpoint that somebody else runs."""

    base_url: Annotated[
        str,
        Field(max_length=1024),
        matches(
            r"https?://[^\s/?#]+(/[^\s?#]*)?",
            "baseURL must be an http or https address without a query, such as "
            "https://api.example.com/v1",
        ),
        Rule(
            cel="!self.matches('/(chat/)?completions/?$')",
            holds=lambda url: not url.rstrip("/").endswith("/completions"),
            message="baseURL must end before the path of a call: leave /chat/completions out",
            got='"{self}"',
        ),
    ] = Field(
        description="The address up to and including its version, without the path of a call.",
        examples=["https://api.example.com/v1"],
    )
    alternative_urls: Annotated[
        list[
            Annotated[
                str,
                Field(max_length=1024),
                matches(
                    r"https?://[^\s/?#]+(/[^\s?#]*)?",
                    "an alternative must be an http or https address without a query, such as "
                    "https://api.eu.example.com/v1",
                ),
            ]
        ],
        Field(max_length=8),
    ] = Field(
        default_factory=list,
        description="Other addresses of the same model that take the same key, asked in this order "
        "while those before fail or refuse for want of room.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
        examples=[["https://api.eu.example.com/v1"]],
    )
    model: Text = Field(
        description="The model name to ask the endpoint for.", examples=["gpt-4.1-mini"]
    )
    secret_ref: SecretKeyRef | None = Field(
        default=None,
        description="The Secret that holds the API key; none is sent when it is left out.",
        examples=[{"name": "openai", "key": "api-key"}],
    )
    price: ExternalPrice | None = Field(
        default=None,
        description="What a call costs. Left out, calls count as free, which makes this the "
        "cheapest candidate everywhere.",
        examples=[{"inputPerMillionTokens": 2.5, "outputPerMillionTokens": 10}],
    )
    limits: ExternalLimits | None = Field(
        default=None,
        description="Rate limits of the account. No limit by default.",
        examples=[{"requestsPerMinute": 500}],
    )
    region: str | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        description="Where the provider computes.",
        examples=["eu-central-1"],
    )
    compliance: list[Annotated[str, Field(min_length=1, max_length=63)]] = Field(
        default_factory=list,
        max_length=32,
        description="Standards the provider is certified for.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
        examples=[["SOC2", "HIPAA"]],
    )
    deprecation_date: Date | None = Field(
        default=None,
        description="The day from which the provider no longer serves the model. From then on "
        "requests for auto pass it over.",
        examples=["2027-01-31"],
    )
    deprecation_notice_days: int = Field(
        default=60,
        ge=0,
        le=3650,
        description="How many days before deprecationDate the condition ProviderSupported turns "
        "False and warnings begin.",
    )
