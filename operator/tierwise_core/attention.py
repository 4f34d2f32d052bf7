"""A model's attention: its heads, and what every kind of its layers keeps of a sequence.

=========================== =====================================================================
multi-head, grouped, one    each key-value head keeps a key and a value of every token
sliding window              the same, of the window's tokens (:mod:`~tierwise_core.layer_kinds`)
latent (MLA, DeepSeek)      a latent and a rotary key for all heads at once, on every GPU
state-space, convolution    one state per sequence (:mod:`~tierwise_core.state_space`)
encoder-decoder (Whisper)   as grouped, and once more for what the encoder read
encoders                    nothing
=========================== =====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tierwise_core import model_config
from tierwise_core.errors import UnknownArchitectureError
from tierwise_core.layer_cache import CacheKind, LayerCache
from tierwise_core.layer_kinds import windows
from tierwise_core.model_config import KV_CACHE_FIX, LanguageConfig
from tierwise_core.model_families import ENCODERS, STANDARD, layers_without_attention
from tierwise_core.state_space import StateLayers, state_layers

__all__ = ["Attention", "attention_of"]

INDEXER_SCALE_BYTES: Final = 4
INDEXER_SCALED_VALUES: Final = 128
ENCODER_DECODERS: Final = frozenset({"whisper"})


@dataclass(frozen=True, slots=True)
class Attention:
    """The shape of the attention, and what one token leaves in its cache.

    Attributes:
        layers: transformer blocks.
        heads: query heads.
        kv_heads: key-value heads; for latent attention the query heads.
        head_dim: the width of one head.
        caches: what the kinds of layers keep.
        latent: the cache is a latent.
        divisible: counts that tensor parallel must divide, with what they are.
        assumptions: what was assumed, in words.
    """

    layers: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    caches: tuple[LayerCache, ...] = ()
    latent: bool = False
    divisible: tuple[tuple[int, str], ...] = ()
    assumptions: tuple[str, ...] = ()

    @property
    def kv_bytes_per_token(self) -> int:
        """What one token adds to the cache of all layers while every window has room."""
        return sum(cache.layers * cache.row_bytes("auto", 1) for cache in self.caches)


def attention_of(language: LanguageConfig) -> Attention:
    """The attention of a model.

    Raises:
        UnknownArchitectureError: the config does not say what its layers keep.
    """
    if language.model_type in ENCODER_DECODERS:
        return _encoder_decoder(language)
    states = state_layers(language)
    if states is not None:
        return _hybrid(language, states)
    _refuse_unsupported(language)
    if language.model_type in ENCODERS:
        return Attention(
            layers=language.required(model_config.LAYERS),
            heads=language.required(model_config.HEADS),
            assumptions=("an encoder: it keeps no KV cache",),
        )
    if language.value("kv_lora_rank") is not None:
        return _latent(language)
    return _standard(language)


def _refuse_unsupported(language: LanguageConfig) -> None:
    """Raise for models whose standard-looking fields do not tell the cache."""
    if language.either("is_encoder_decoder"):
        raise UnknownArchitectureError(
            f"{language.architecture} is an encoder-decoder that the engine does not serve, so its "
            f"cache is not known; {KV_CACHE_FIX}"
        )
    markers = layers_without_attention(language.values)
    if markers:
        raise UnknownArchitectureError(
            f"{language.architecture} mixes attention with other layers ({', '.join(markers)} in "
            f"config.json), whose state is not computed; {KV_CACHE_FIX}"
        )


def _latent(language: LanguageConfig) -> Attention:
    """MLA. DeepSeek-V3: 61 layers x (512 + 64) x 2 bytes = 70272 bytes per token."""
    layers = language.required(model_config.LAYERS)
    heads = language.required(model_config.HEADS)
    rotary = language.required(("qk_rope_head_dim",))
    rank = language.required(("kv_lora_rank",))
    cache = LayerCache(CacheKind.LATENT, layers, kv_heads=1, values=rank + rotary)
    return Attention(
        layers=layers,
        heads=heads,
        kv_heads=heads,
        head_dim=rotary + (language.integer(("qk_nope_head_dim",)) or 0),
        caches=(cache, *_indexer(language, layers)),
        latent=True,
    )


def _indexer(language: LanguageConfig, layers: int) -> tuple[LayerCache, ...]:
    """DeepSeek-V3.2's sparse attention keeps a short key of each token to choose by.

    In 8 bit, with a 32-bit scale for each 128 values.
    """
    width = language.integer_or_zero("index_head_dim")
    if not width or language.value("index_topk") is None:
        return ()
    row = width + -(-width // INDEXER_SCALED_VALUES) * INDEXER_SCALE_BYTES
    return (LayerCache(CacheKind.LATENT, layers, kv_heads=1, values=width, fixed_row_bytes=row),)


def _hybrid(language: LanguageConfig, states: StateLayers) -> Attention:
    """State layers, and attention in some."""
    state = LayerCache(CacheKind.STATE, states.states, state=states.state)
    if not states.attention:
        layers = language.required(model_config.LAYERS)
        return Attention(layers=layers, caches=(state,), divisible=states.divisible)
    plain = _standard(language, states.attention)
    return replace(
        plain,
        layers=language.required(model_config.LAYERS),
        caches=(*plain.caches, *((state,) if states.states else ())),
        divisible=states.divisible if states.states else (),
        assumptions=(),
    )


def _standard(language: LanguageConfig, attention_layers: int | None = None) -> Attention:
    """Keys and values of each key-value head, in each layer."""
    layers = attention_layers or language.required(model_config.LAYERS)
    heads = language.required(model_config.HEADS)
    kv_heads = model_config.kv_heads(language, heads)
    head_dim = language.integer(model_config.HEAD_DIM)
    if head_dim is None:
        head_dim = max(1, language.required(model_config.HIDDEN) // heads)
    shared = language.integer_or_zero("num_kv_shared_layers")
    found = windows(language, max(1, layers - shared))
    kept = LayerCache(CacheKind.FULL, found.full, kv_heads, 2 * head_dim)
    sliding = replace(
        kept, kind=CacheKind.SLIDING, layers=found.sliding, window_tokens=found.tokens
    )
    return Attention(
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        caches=tuple(cache for cache in (kept, sliding) if cache.layers),
        assumptions=(*_unknown_family(language), *((found.note,) if found.note else ())),
    )


def _unknown_family(language: LanguageConfig) -> tuple[str, ...]:
    """Said of a family that only looks like standard attention."""
    if language.model_type in STANDARD:
        return ()
    family = language.model_type or language.architecture
    return (f"{family} is not a family we know: its config looks like standard attention",)


def _encoder_decoder(language: LanguageConfig) -> Attention:
    """Whisper: the decoder's layers keep their own tokens, and what the encoder read."""
    layers = language.required(("decoder_layers",))
    heads = language.required(("decoder_attention_heads",))
    head_dim = language.required(("d_model",)) // heads
    own = LayerCache(CacheKind.FULL, layers, heads, 2 * head_dim)
    read = replace(
        own, kind=CacheKind.CROSS, encoder_tokens=language.required(("max_source_positions",))
    )
    return Attention(layers, heads, heads, head_dim, (own, read))
