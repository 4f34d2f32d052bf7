"""From a model's ``config.json`` to the facts that sizing needs.

The KV cache of one token, over the whole model:

- attention with heads (multi-head, grouped or multi-query):
  ``2 x layers x kv_heads x head_dim x bytes``, for keys and values;
- latent attention (MLA, as DeepSeek's): ``layers x (kv_lora_rank + qk_rope_head_dim) x bytes``,
  kept whole by every GPU;
- encoders keep none.

Mixtures of experts differ in their weights (all experts are resident), not in their cache. A config
that has the standard fields is taken for standard attention also when its family is not known, and
that is said in ``assumptions``; state-space and hybrid families are refused, because their fields
look standard and mean something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from tierwise_core import model_config
from tierwise_core.errors import UnknownArchitectureError
from tierwise_core.model_config import KV_CACHE_FIX, LanguageConfig, language_config
from tierwise_core.model_families import ENCODERS, STANDARD, layers_without_attention
from tierwise_core.model_metadata import ModelMetadata, SizeOverrides
from tierwise_core.quantization import packed_bits, quantization_method, unpacked_parameters

__all__ = ["metadata_from_config"]

NO_OVERRIDES: Final = SizeOverrides()
NO_DTYPES: Final[Mapping[str, int]] = MappingProxyType({})

DTYPES: Final = {"BF16": "bfloat16", "F16": "float16"}
STORED_BYTES: Final = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
CACHE_DTYPE_BYTES: Final = 2
UNSCALED_ROPE: Final = frozenset({"default", "llama3", "longrope", "su", "mrope", "proportional"})


@dataclass(frozen=True, slots=True)
class _Attention:
    """The shape of the attention, and what one token leaves in its cache."""

    layers: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    kv_bytes_per_token: int = 0
    latent: bool = False
    assumptions: tuple[str, ...] = ()


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
        overrides: with ``kv_bytes_per_token``, what the config lacks for the cache is no error.

    Raises:
        UnknownArchitectureError: the config does not say how large the cache is.

    >>> config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama",
    ...     "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    ...     "num_key_value_heads": 8, "max_position_embeddings": 131072, "torch_dtype": "bfloat16"}
    >>> metadata_from_config(config, 16_060_522_496, 8_030_261_248).kv_bytes_per_token
    131072
    """
    language = language_config(config)
    attention = _attention_or_override(language, overrides)
    dtype, dtype_notes = _dtype(language, dtypes)
    return ModelMetadata(
        architecture=language.architecture,
        weights_bytes=weights_bytes,
        parameters=_parameters(config, parameters, dtypes),
        layers=attention.layers,
        kv_heads=attention.kv_heads,
        attention_heads=attention.heads,
        head_dim=attention.head_dim,
        hidden_size=language.integer(model_config.HIDDEN) or 0,
        vocab_size=language.integer(model_config.VOCAB) or 0,
        context_length=_context_length(language),
        kv_dtype_bytes=CACHE_DTYPE_BYTES,
        dtype=dtype,
        kv_bytes_per_token=attention.kv_bytes_per_token,
        intermediate_size=_intermediate_size(language),
        experts_per_token=_experts_per_token(language),
        latent_attention=attention.latent,
        tied_embeddings=bool(language.either("tie_word_embeddings")),
        quantization=quantization_method(config),
        parameters_by_dtype=tuple(sorted(dtypes.items())),
        assumptions=language.assumptions + attention.assumptions + dtype_notes,
    )


def _attention_or_override(language: LanguageConfig, overrides: SizeOverrides) -> _Attention:
    """The attention's shape; where the override makes it needless, whatever of it is known."""
    try:
        return _attention(language)
    except UnknownArchitectureError:
        if overrides.kv_bytes_per_token is None:
            raise
        return _Attention(
            kv_bytes_per_token=overrides.kv_bytes_per_token,
            assumptions=("the KV cache is spec.model.size.kvBytesPerToken per token",),
        )


def _attention(language: LanguageConfig) -> _Attention:
    """The attention's shape, by the kind of the model."""
    _refuse_unsupported(language)
    if language.model_type in ENCODERS:
        return _Attention(
            layers=language.required(model_config.LAYERS),
            heads=language.required(model_config.HEADS),
            assumptions=("an encoder: it keeps no KV cache",),
        )
    if language.value("kv_lora_rank") is not None:
        return _latent_attention(language)
    return _standard_attention(language)


def _refuse_unsupported(language: LanguageConfig) -> None:
    """Raise for models whose standard-looking fields do not tell the cache."""
    if language.either("is_encoder_decoder"):
        raise UnknownArchitectureError(
            f"{language.architecture} is an encoder-decoder, whose cross-attention cache is not "
            f"computed; {KV_CACHE_FIX}"
        )
    markers = layers_without_attention(language.values)
    if markers:
        raise UnknownArchitectureError(
            f"{language.architecture} mixes attention with other layers ({', '.join(markers)} in "
            f"config.json), whose state is not computed; {KV_CACHE_FIX}"
        )


def _latent_attention(language: LanguageConfig) -> _Attention:
    """MLA: one latent and one rotary key per token and layer, shared by all heads.

    DeepSeek-V3: 61 layers x (512 + 64) x 2 bytes = 70272 bytes per token.
    """
    layers = language.required(model_config.LAYERS)
    heads = language.required(model_config.HEADS)
    rotary = language.required(("qk_rope_head_dim",))
    rank = language.required(("kv_lora_rank",))
    return _Attention(
        layers=layers,
        heads=heads,
        kv_heads=heads,
        head_dim=rotary + (language.integer(("qk_nope_head_dim",)) or 0),
        kv_bytes_per_token=layers * (rank + rotary) * CACHE_DTYPE_BYTES,
        latent=True,
        assumptions=_latent_notes(language),
    )


def _latent_notes(language: LanguageConfig) -> tuple[str, ...]:
    """What counting it as plain latent attention passes over."""
    if language.value("index_topk") is None:
        return ()
    return ("the indexer's own small cache of sparse attention is not counted",)


def _standard_attention(language: LanguageConfig) -> _Attention:
    """Keys and values of each key-value head, in each layer."""
    layers = language.required(model_config.LAYERS)
    heads = language.required(model_config.HEADS)
    kv_heads = _kv_heads(language, heads)
    head_dim = language.integer(model_config.HEAD_DIM)
    if head_dim is None:
        head_dim = language.required(model_config.HIDDEN) // heads
    return _Attention(
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        kv_bytes_per_token=2 * layers * kv_heads * head_dim * CACHE_DTYPE_BYTES,
        assumptions=_standard_notes(language),
    )


def _kv_heads(language: LanguageConfig, heads: int) -> int:
    """Key-value heads: one for multi-query, the stated groups, else one per attention head."""
    if language.value("multi_query") is True and not language.value("new_decoder_architecture"):
        return 1
    if language.value("multi_query_attention") is False:
        return heads
    return language.integer(model_config.KV_HEADS) or heads


def _standard_notes(language: LanguageConfig) -> tuple[str, ...]:
    """What counting it as plain attention passes over."""
    notes = []
    if language.model_type not in STANDARD:
        family = language.model_type or language.architecture
        notes.append(f"{family} is not a family we know: its config looks like standard attention")
    window = language.value("sliding_window")
    if isinstance(window, int) and _is_narrow(language, window):
        notes.append(f"layers with a sliding window of {window} tokens count as full attention")
    return tuple(notes)


def _is_narrow(language: LanguageConfig, window: int) -> bool:
    """Whether the window is in use and shorter than the context."""
    return language.value("use_sliding_window") is not False and window < _context_length(language)


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
    return int((original if isinstance(original, int) else length) * factor)


def _experts_per_token(language: LanguageConfig) -> int:
    """Routed experts per token; some families list it per layer, and the largest counts."""
    for name in model_config.EXPERTS_PER_TOKEN:
        value = language.value(name)
        counts = value if isinstance(value, list) else [value]
        known = [count for count in counts if isinstance(count, int)]
        if known:
            return max(known)
    return 0


def _intermediate_size(language: LanguageConfig) -> int:
    """The width of one feed-forward block or expert; four times the stream if it is not said."""
    if _experts_per_token(language):
        width = language.value("moe_intermediate_size")
        expert = max(width) if isinstance(width, list) else None
        found = expert or language.integer(model_config.EXPERT_WIDTH)
        if found:
            return int(found)
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
