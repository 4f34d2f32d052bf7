"""From a model's ``config.json`` to the facts that sizing needs.

What its layers keep of a sequence is :mod:`tierwise_core.attention`'s, its matrices are
:mod:`tierwise_core.parameters`'. Mixtures of experts differ in their weights (all experts are
resident), not in their cache. A config that has the standard fields is taken for standard attention
also when its family is not known, and that is said in ``assumptions``; what looks standard and
means something else is refused, with the override that settles it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tierwise_core import model_config
from tierwise_core.attention import Attention, attention_of
from tierwise_core.errors import SizingError, UnknownArchitectureError
from tierwise_core.experts import experts_per_token
from tierwise_core.linear import Linear
from tierwise_core.model_config import LanguageConfig, language_config
from tierwise_core.model_metadata import ModelMetadata, SizeOverrides
from tierwise_core.parameters import linears
from tierwise_core.quantization import (
    kv_cache_dtype_of,
    packed_bits,
    quantization_method,
    unpacked_parameters,
)
from tierwise_core.vision import image_tokens, vision_heads, vision_width
from tierwise_core.weight_bytes import check_method, scheme_of

__all__ = ["metadata_from_config"]

NO_OVERRIDES: Final = SizeOverrides()
NO_DTYPES: Final[Mapping[str, int]] = MappingProxyType({})

DTYPES: Final = {"BF16": "bfloat16", "F16": "float16"}
STORED_BYTES: Final = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
CACHE_DTYPE_BYTES: Final = 2
LONGEST_CONTEXT: Final = 2**31
"""A stretched length beyond this is no length."""
UNSCALED_ROPE: Final = frozenset({"default", "llama3", "longrope", "su", "mrope", "proportional"})


def metadata_from_config(
    config: Mapping[str, Any],
    weights_bytes: int,
    parameters: int,
    dtypes: Mapping[str, int] = NO_DTYPES,
    *,
    overrides: SizeOverrides = NO_OVERRIDES,
) -> ModelMetadata:
    """The facts about a model, from its config and the totals of its weight files.

    Args:
        config: the parsed ``config.json``.
        weights_bytes: the bytes of all tensors.
        parameters: the elements of all tensors; unpacked by ``dtypes`` if the model is quantized.
        dtypes: elements per stored dtype, as safetensors names them.
        overrides: what is given here may be missing in the config: ``kv_bytes_per_token`` makes up
            for a cache that it does not tell, ``weights_bytes`` for a quantization we do not know.

    Raises:
        UnknownArchitectureError: the config does not say how large the cache is.
        UnknownQuantizationError: the weights are quantized in a way we do not know.

    >>> config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama",
    ...     "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    ...     "num_key_value_heads": 8, "max_position_embeddings": 131072, "torch_dtype": "bfloat16"}
    >>> metadata_from_config(config, 16_060_522_496, 8_030_261_248).kv_bytes_per_token
    131072
    """
    language = language_config(config)
    if overrides.weights_bytes is None:
        check_method(quantization_method(config), "config.json: quantization_config.quant_method")
    attention = _attention_or_override(language, overrides)
    dtype, dtype_notes = _dtype(language, dtypes)
    scheme = scheme_of(config)
    return ModelMetadata(
        architecture=language.architecture,
        weights_bytes=weights_bytes,
        parameters=_parameters(config, parameters, dtypes),
        layers=attention.layers,
        kv_heads=attention.kv_heads,
        attention_heads=attention.heads,
        head_dim=attention.head_dim,
        hidden_size=language.integer((*model_config.HIDDEN, "d_model")) or 0,
        vocab_size=language.integer(model_config.VOCAB) or 0,
        context_length=_context_length(language),
        kv_dtype_bytes=CACHE_DTYPE_BYTES,
        dtype=dtype,
        kv_bytes_per_token=attention.kv_bytes_per_token or overrides.kv_bytes_per_token or 0,
        intermediate_size=_intermediate_size(language),
        experts_per_token=experts_per_token(language),
        latent_attention=attention.latent,
        quantization=quantization_method(config),
        parameters_by_dtype=tuple(sorted(dtypes.items())),
        linears=_linears(config),
        caches=attention.caches,
        kv_cache_dtype=kv_cache_dtype_of(config),
        divisible=(*attention.divisible, *vision_heads(config)),
        quantization_group=scheme.group if scheme else 0,
        image_tokens=image_tokens(config),
        vision_width=vision_width(config),
        assumptions=language.assumptions + attention.assumptions + dtype_notes,
    )


def _attention_or_override(language: LanguageConfig, overrides: SizeOverrides) -> Attention:
    """The attention's shape; where the override makes it needless, nothing of it is known."""
    try:
        return attention_of(language)
    except UnknownArchitectureError:
        if overrides.kv_bytes_per_token is None:
            raise
        return Attention(
            assumptions=("the KV cache is spec.model.size.kvBytesPerToken per token",),
        )


def _linears(config: Mapping[str, Any]) -> tuple[Linear, ...]:
    """The model's matrices, none if its family is not one we can count: the files count."""
    try:
        return linears(config)
    except SizingError:
        return ()


def _context_length(language: LanguageConfig) -> int:
    """The longest sequence, by vLLM's rule: the smallest length named, stretched by RoPE scaling.

    Llama 3's and LongRoPE's stretching is in the length already; YaRN's starts from the original.
    """
    named = [language.integer((name,)) for name in model_config.CONTEXT]
    length = min((value for value in named if value is not None), default=0)
    scaling = language.value("rope_scaling") or language.value("rope_parameters")
    factor = scaling.get("factor") if isinstance(scaling, Mapping) else None
    if not isinstance(scaling, Mapping) or not isinstance(factor, int | float):
        return length
    kind = scaling.get("rope_type") or scaling.get("type")
    if kind in UNSCALED_ROPE or language.model_type.startswith("gemma3"):
        return length
    original = scaling.get("original_max_position_embeddings") if kind == "yarn" else None
    stretched = (original if isinstance(original, int) else length) * factor
    return int(stretched) if 0 < stretched < LONGEST_CONTEXT else length


def _intermediate_size(language: LanguageConfig) -> int:
    """The width of one feed-forward block or expert; four times the stream if it is not said."""
    if experts_per_token(language):
        widths = language.value("moe_intermediate_size")
        listed = (
            [width for width in widths if type(width) is int] if isinstance(widths, list) else []
        )
        found = max(listed, default=0) or language.integer(model_config.EXPERT_WIDTH)
        if found:
            return found
    width = language.integer(model_config.INTERMEDIATE)
    return width or 4 * (language.integer(model_config.HIDDEN) or 0)


def _dtype(language: LanguageConfig, dtypes: Mapping[str, int]) -> tuple[str, tuple[str, ...]]:
    """The dtype vLLM computes in, and what was assumed about it.

    What the config names, else the commoner 16-bit one in the files, else bfloat16. vLLM runs a
    32-bit model in 16 bit.
    """
    named = str(language.either("dtype", "torch_dtype") or "").removeprefix("torch.")
    if STORED_BYTES.get(named) == CACHE_DTYPE_BYTES:
        return named, ()
    if named in STORED_BYTES:
        return "bfloat16", (
            f"the config says {named}; vLLM computes in 16 bit, weights count as stored",
        )
    stored = {DTYPES[dtype]: count for dtype, count in dtypes.items() if dtype in DTYPES}
    if stored:
        return max(sorted(stored), key=stored.__getitem__), ()
    return "bfloat16", ("neither config nor weights name a 16-bit dtype: bfloat16 assumed",)


def _parameters(config: Mapping[str, Any], parameters: int, dtypes: Mapping[str, int]) -> int:
    """The number of weights, unpacked where a quantized model packs them."""
    bits = packed_bits(config)
    if bits is None or not dtypes:
        return parameters
    return unpacked_parameters(dtypes, bits)
