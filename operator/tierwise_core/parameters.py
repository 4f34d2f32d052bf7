"""A model's matrices, counted from its ``config.json`` alone.

What the files' headers say is exact and wins. This is for when they cannot be reached, for what
they do not say (how many parameters a token passes, what an adapter of each layer takes), and for
weights that are quantized while they load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tierwise_core import model_config
from tierwise_core.encoder_parameters import ENCODER_LAYOUTS, encoder_linears
from tierwise_core.errors import UnknownArchitectureError
from tierwise_core.experts import Experts, experts_of
from tierwise_core.families import FAMILIES, MODULE_NAMES, Family
from tierwise_core.linear import Cut, Linear, Part
from tierwise_core.model_config import LanguageConfig, language_config
from tierwise_core.vision import vision_linears

__all__ = ["active_parameters", "count_parameters", "linears"]

WEIGHTS_FIX: Final = "set spec.model.size.weights (or .parameters) to settle it"


@dataclass(frozen=True, slots=True)
class _Decoder:
    """The widths of a decoder."""

    language: LanguageConfig
    family: Family
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    experts: Experts | None
    tied: bool


def linears(config: Mapping[str, Any]) -> tuple[Linear, ...]:
    """The matrices and vectors of a model.

    Raises:
        UnknownArchitectureError: its family is not one that we can count; the message says what to
            set instead.

    Llama-3.1-8B:

    >>> llama = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
    ...     "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    ...     "vocab_size": 128256, "tie_word_embeddings": False}
    >>> count_parameters(llama)
    8030261248
    """
    language = language_config(config)
    if language.model_type in ENCODER_LAYOUTS:
        return encoder_linears(language)
    family = FAMILIES.get(language.model_type)
    if family is None:
        raise UnknownArchitectureError(
            f"the weights of {language.architecture} (model_type {language.model_type!r}) cannot "
            f"be counted from its config.json: it is not a family we know; {WEIGHTS_FIX}"
        )
    decoder = _decoder(language, family)
    names = MODULE_NAMES.get(language.model_type, {})
    own = (replace(each, module=names.get(each.module, each.module)) for each in _all(decoder))
    return (*own, *vision_linears(config, decoder.hidden))


def count_parameters(config: Mapping[str, Any]) -> int:
    """All values of all matrices and vectors.

    Raises:
        UnknownArchitectureError: as :func:`linears`.
    """
    return sum(linear.parameters for linear in linears(config))


def active_parameters(parts: tuple[Linear, ...]) -> int:
    """The values that one token is multiplied with: what speed goes by.

    The input embedding is looked up, not multiplied with; a tied one is, at the output.

    >>> experts = Linear("w1", 10, 20, count=8, used=2, part=Part.EXPERT)
    >>> active_parameters((experts, Linear("embed_tokens", 100, 10, 1, 0, Part.EMBEDDING)))
    400
    """
    return sum(part.active_parameters for part in parts if part.part is not Part.VISION)


def _decoder(language: LanguageConfig, family: Family) -> _Decoder:
    """The widths, under whatever names the config gives them."""
    heads = language.required(model_config.HEADS)
    hidden = language.required(model_config.HIDDEN)
    tied = language.either("tie_word_embeddings")
    return _Decoder(
        language=language,
        family=family,
        layers=language.required(model_config.LAYERS),
        hidden=hidden,
        heads=heads,
        kv_heads=model_config.kv_heads(language, heads),
        head_dim=language.integer(model_config.HEAD_DIM) or hidden // heads,
        intermediate=language.integer(model_config.INTERMEDIATE) or 4 * hidden,
        vocab=language.required(model_config.VOCAB),
        experts=experts_of(language),
        tied=family.tied if tied is None else bool(tied),
    )


def _all(decoder: _Decoder) -> Iterator[Linear]:
    """Embeddings, blocks, output."""
    hidden, vocab = decoder.hidden, decoder.vocab
    used = 1 if decoder.tied else 0
    yield Linear("embed_tokens", vocab, hidden, 1, used, Part.EMBEDDING, Cut.INPUTS)
    if decoder.family.learned_positions:
        rows = decoder.language.required(model_config.CONTEXT) + decoder.family.padded_positions
        yield Linear("embed_positions", rows, hidden, 1, 0, Part.EMBEDDING, Cut.WHOLE)
    if not decoder.tied:
        yield Linear("lm_head", hidden, vocab, 1, 1, Part.OUTPUT)
    latent = decoder.language.integer(("kv_lora_rank",))
    yield from _latent_attention(decoder, latent) if latent else _attention(decoder)
    yield from _feed_forward(decoder)
    yield from _norms(decoder)
    yield from _predictors(decoder)


def _vector(module: str, width: int, count: int) -> Linear:
    """Biases, norms, sinks: each GPU keeps all of them."""
    return Linear(module, 1, width, count, count, Part.VECTOR, Cut.WHOLE)


def _attention(decoder: _Decoder) -> Iterator[Linear]:
    """Queries, keys, values and the output, of every block."""
    layers, hidden = decoder.layers, decoder.hidden
    queries = decoder.heads * decoder.head_dim
    keys = decoder.kv_heads * decoder.head_dim
    if decoder.family.fused:
        width = queries + 2 * keys
        yield Linear("qkv_proj", hidden, width, layers, layers, Part.ATTENTION)
    else:
        yield Linear("q_proj", hidden, queries, layers, layers, Part.ATTENTION)
        for name in ("k_proj", "v_proj"):
            yield Linear(name, hidden, keys, layers, layers, Part.ATTENTION, Cut.KEY_VALUE)
    yield Linear("o_proj", queries, hidden, layers, layers, Part.ATTENTION, Cut.INPUTS)
    bias = bool(decoder.language.value("attention_bias"))
    if bias or decoder.family.query_bias:
        yield _vector("qkv_bias", queries + 2 * keys, layers)
    if bias or decoder.family.output_bias:
        yield _vector("o_bias", hidden, layers)
    if decoder.family.sinks:
        yield _vector("sinks", decoder.heads, layers)


def _latent_attention(decoder: _Decoder, rank: int) -> Iterator[Linear]:
    """MLA: queries and keys go through narrow latents, which every GPU computes whole."""
    layers, hidden, language = decoder.layers, decoder.hidden, decoder.language
    rotary = language.required(("qk_rope_head_dim",))
    inner = language.required(("qk_nope_head_dim",))
    value = language.required(("v_head_dim",))
    queries = decoder.heads * (inner + rotary)
    part = Part.ATTENTION
    query_rank = language.integer(("q_lora_rank",))
    if query_rank:
        yield Linear("q_a_proj", hidden, query_rank, layers, layers, part, Cut.WHOLE)
        yield Linear("q_b_proj", query_rank, queries, layers, layers, part)
        yield _vector("q_a_layernorm", query_rank, layers)
    else:
        yield Linear("q_proj", hidden, queries, layers, layers, part)
    yield Linear("kv_a_proj_with_mqa", hidden, rank + rotary, layers, layers, part, Cut.WHOLE)
    yield _vector("kv_a_layernorm", rank, layers)
    yield Linear("kv_b_proj", rank, decoder.heads * (inner + value), layers, layers, part)
    yield Linear("o_proj", decoder.heads * value, hidden, layers, layers, part, Cut.INPUTS)


def _feed_forward(decoder: _Decoder) -> Iterator[Linear]:
    """The dense blocks, the experts, and what chooses among them."""
    experts = decoder.experts
    dense = decoder.layers - (experts.layers if experts else 0)
    if dense:
        width = experts.dense_width if experts and experts.dense_width else decoder.intermediate
        yield from _gated(decoder, decoder.hidden, width, dense)
    if experts:
        yield from experts.linears(decoder.hidden, biased=decoder.family.expert_bias)


def _gated(decoder: _Decoder, hidden: int, width: int, layers: int) -> Iterator[Linear]:
    """Gate, up and down, as the family has them."""
    part, gated = Part.FEED_FORWARD, decoder.family.gated
    if gated and decoder.family.fused:
        yield Linear("gate_up_proj", hidden, 2 * width, layers, layers, part)
    else:
        for name in ("gate_proj", "up_proj") if gated else ("up_proj",):
            yield Linear(name, hidden, width, layers, layers, part)
    yield Linear("down_proj", width, hidden, layers, layers, part, Cut.INPUTS)
    if decoder.family.feed_forward_bias or decoder.language.value("mlp_bias"):
        yield _vector("mlp_bias", (2 if gated else 1) * width + hidden, layers)


def _norms(decoder: _Decoder) -> Iterator[Linear]:
    """Two norms of each block or as many as the family has, and the last one."""
    family, each = decoder.family, 2 if decoder.family.norm_bias else 1
    yield _vector("norm", decoder.hidden * each, decoder.layers * family.norms + 1)
    if family.head_norms == "head":
        yield _vector("qk_norm", 2 * decoder.head_dim, decoder.layers)
    if family.head_norms == "width":
        width = (decoder.heads + decoder.kv_heads) * decoder.head_dim
        yield _vector("qk_norm", width, decoder.layers)


def _predictors(decoder: _Decoder) -> Iterator[Linear]:
    """DeepSeek's blocks that predict further tokens: in the files, unused unless asked for.

    Each is a block with experts, a projection of two streams into one, and a copy of the embedding
    and the output layer.
    """
    count = decoder.language.integer_or_zero("num_nextn_predict_layers")
    if not count or decoder.experts is None or not decoder.experts.layers:
        return
    hidden, vocab = decoder.hidden, decoder.vocab
    one = decoder.experts.parameters(hidden) // decoder.experts.layers
    latent = decoder.language.integer(("kv_lora_rank",))
    attention = _latent_attention(decoder, latent) if latent else _attention(decoder)
    block = one + sum(part.parameters for part in attention) // decoder.layers
    yield Linear("mtp_block", hidden, block // hidden, count, 0, Part.FEED_FORWARD)
    yield Linear("eh_proj", 2 * hidden, hidden, count, 0, Part.FEED_FORWARD, Cut.WHOLE)
    yield Linear("mtp_embeddings", vocab, 2 * hidden, count, 0, Part.EMBEDDING, Cut.INPUTS)
