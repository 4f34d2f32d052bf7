"""The matrices of encoders: models that read a text once and keep no cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tierwise_core import model_config
from tierwise_core.linear import Cut, Linear, Part
from tierwise_core.model_config import LanguageConfig

__all__ = ["ENCODER_LAYOUTS", "encoder_linears"]


@dataclass(frozen=True, slots=True)
class EncoderLayout:
    """What an encoder family has beside attention and feed-forward.

    Attributes:
        biased: its matrices and norms have biases.
        gated: the feed-forward has a gate.
        positions: a table of positions.
        types: a table of segment types.
        pooler: a matrix over the first token.
        head: a matrix before the output layer, in the files of a masked language model.
    """

    biased: bool = True
    gated: bool = False
    positions: bool = True
    types: bool = True
    pooler: bool = True
    head: bool = False


ENCODER_LAYOUTS: Final[Mapping[str, EncoderLayout]] = {
    "bert": EncoderLayout(),
    "camembert": EncoderLayout(),
    "electra": EncoderLayout(pooler=False),
    "modernbert": EncoderLayout(
        biased=False, gated=True, positions=False, types=False, pooler=False, head=True
    ),
    "roberta": EncoderLayout(),
    "xlm-roberta": EncoderLayout(),
}


def encoder_linears(language: LanguageConfig) -> tuple[Linear, ...]:
    """The matrices and vectors of an encoder.

    BAAI/bge-m3 (XLM-RoBERTa large, 8194 positions), 567,754,752 parameters:

    >>> from tierwise_core.model_config import language_config
    >>> bge = language_config({"model_type": "xlm-roberta", "hidden_size": 1024,
    ...     "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    ...     "vocab_size": 250002, "max_position_embeddings": 8194, "type_vocab_size": 1})
    >>> sum(part.parameters for part in encoder_linears(bge))
    567754752
    """
    layout = ENCODER_LAYOUTS[language.model_type]
    return (*_embeddings(language, layout), *_blocks(language, layout), *_ends(language, layout))


def _vector(module: str, width: int, count: int) -> Linear:
    return Linear(module, 1, width, count, count, Part.VECTOR, Cut.WHOLE)


def _norm(hidden: int, layout: EncoderLayout) -> int:
    return hidden * (2 if layout.biased else 1)


def _embeddings(language: LanguageConfig, layout: EncoderLayout) -> Iterator[Linear]:
    """Tables of words, positions and types, and their norm."""
    hidden, part = language.required(model_config.HIDDEN), Part.EMBEDDING
    vocab = language.required(model_config.VOCAB)
    yield Linear("word_embeddings", vocab, hidden, 1, 0, part, Cut.INPUTS)
    if layout.positions:
        rows = language.required(model_config.CONTEXT)
        yield Linear("position_embeddings", rows, hidden, 1, 0, part, Cut.WHOLE)
    if layout.types:
        rows = language.integer_or_zero("type_vocab_size") or 2
        yield Linear("token_type_embeddings", rows, hidden, 1, 0, part, Cut.WHOLE)
    yield _vector("norm", _norm(hidden, layout), 1)


def _blocks(language: LanguageConfig, layout: EncoderLayout) -> Iterator[Linear]:
    """Attention, feed-forward, two norms."""
    layers = language.required(model_config.LAYERS)
    hidden = language.required(model_config.HIDDEN)
    inner = language.integer(model_config.INTERMEDIATE) or 4 * hidden
    for name in ("query", "key", "value", "attention.dense"):
        yield Linear(name, hidden, hidden, layers, layers, Part.ATTENTION)
    ways = 2 if layout.gated else 1
    yield Linear("intermediate.dense", hidden, ways * inner, layers, layers, Part.FEED_FORWARD)
    yield Linear("output.dense", inner, hidden, layers, layers, Part.FEED_FORWARD, Cut.INPUTS)
    if layout.biased:
        yield _vector("bias", 5 * hidden + inner, layers)
    yield _vector("norm", _norm(hidden, layout), 2 * layers)


def _ends(language: LanguageConfig, layout: EncoderLayout) -> Iterator[Linear]:
    """What follows the blocks."""
    hidden = language.required(model_config.HIDDEN)
    if layout.pooler or layout.head:
        yield Linear("pooler.dense", hidden, hidden, 1, 1, Part.OUTPUT, Cut.WHOLE)
    if layout.pooler:
        yield _vector("pooler.bias", hidden, 1)
    if layout.head:
        vocab = language.required(model_config.VOCAB)
        yield _vector("head", hidden + vocab, 1)
